import * as v from 'valibot';
import { PHASES, type PhaseName } from '../../../driver/inject/inject-points.js';
import { PROFILES } from '../../../driver/mm/profile.js';
import * as errno from '../../../uapi/errno.js';
import { PATH_NAMES, type PathName } from '../../../uapi/path-name.js';
import { hint } from '../../nearest.js';
import { pathProblem } from '../../path-option.js';
import { KEYS_WANTED } from '../../yaml-file.js';
import { FAULT_POINTS, type FaultPhase, type FaultReturn } from '../fault-points.js';
import { pagesOf } from './plan-parts.js';
import { ADVICE, ERRORS, VERBS } from './plan-words.js';

// What can be written in a plan: the types, what is checked first, and docs/schemas/plan.schema.json are all made from this. What a check of one
// value can't see, as names of what is not there, is in plan-check.ts and plan-names.ts.

/** Of the largest mapping: the room that each has in the process. */
const MAX_PAGES = 65_536;

const wanted = (what: string): string => `${what} is wanted here`;
export const text = v.string(wanted('text'));
const flag = v.boolean(wanted('true or false'));

export function integer(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  const from =
    min > Number.MIN_SAFE_INTEGER ? ` from ${min} ${max < Number.MAX_SAFE_INTEGER ? `to ${max}` : 'on'}` : '';
  const message = wanted(`a whole number${from}`);
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
}

export function words<const Word extends string>(list: readonly Word[]) {
  return v.picklist(list, ({ input }) => `'${input}' is not known here${hint(String(input), list)}`);
}

function match(pattern: RegExp, what: string) {
  return v.pipe(v.string(wanted(what)), v.regex(pattern, wanted(what)));
}

/** One, or a list of at least one. */
function some<const Schema extends v.GenericSchema>(one: Schema) {
  return v.union([one, v.pipe(v.array(one), v.minLength(1, wanted('at least one')))]);
}

function named<const Schema extends v.GenericSchema>(value: Schema) {
  return v.record(v.string(), value, KEYS_WANTED);
}

export function list<const Schema extends v.GenericSchema>(one: Schema) {
  return v.array(one, wanted('a list'));
}

/** A key that may be left out; in a plan made by a program also undefined, which its type has no need to say. */
export function may<const Schema extends v.GenericSchema>(schema: Schema, about?: string) {
  const said = about === undefined ? schema : v.pipe(schema, v.description(about));
  return v.optional(said) as unknown as v.ExactOptionalSchema<Schema, undefined>;
}

/** These keys and no other; `why` says of some that could be thought of why they are not taken. */
export function keys<const Entries extends v.ObjectEntries>(
  entries: Entries,
  why: Readonly<Record<string, string>> = {},
) {
  return v.strictObject(entries, (issue) => {
    const key = String(issue.path?.at(-1)?.key);
    if (issue.path === undefined) return KEYS_WANTED;
    return issue.expected === 'never'
      ? `no key '${key}' here${why[key] === undefined ? hint(key, Object.keys(entries)) : `: ${why[key]}`}`
      : `'${key}' is missing`;
  });
}

const ERRNOS = Object.keys(errno).filter((name) => /^E[A-Z0-9]+$/.test(name));
const A_RET = 'a number, or the name of an errno,';
const ret = v.union([integer(), words([...ERRNOS, ...ERRNOS.map((name) => `-${name}`)])], wanted(A_RET));
const count = integer(0);
const A_PAGE = 'a page, as 3, or pages, as 0-7,';
const pages = v.union(
  [
    integer(0, MAX_PAGES),
    v.pipe(
      match(/^\d+(-\d+)?$/, A_PAGE),
      v.check(
        (range) => wrongPages(range) === null,
        ({ input }) => wrongPages(input) ?? '',
      ),
    ),
  ],
  wanted(A_PAGE),
);
function wrongPages(range: string): string | null {
  const [first, last] = pagesOf(range);
  if (last < first) return 'pages end before they begin; write 3, or 0-7';
  return last < MAX_PAGES ? null : `a mapping has ${MAX_PAGES} pages at most, from 0 on`;
}

const A_TIME = 'a time, as 20us, 5ms or 1s,';
const HEX = 'hexadecimal bytes';
const sessionState = words(['open', 'ended']);
const POINT = words(FAULT_POINTS.map(({ name }) => name));
const phase = words<FaultPhase>([...PHASES, 'wire']);
const returns = words<FaultReturn>([...new Set(FAULT_POINTS.flatMap((point) => point.returns))]);

/** Limits of the daemon, by their names in plans. */
export const PLAN_LIMITS = {
  frame_bytes: 'frameBytes',
  queue_calls: 'queueCalls',
  queue_bytes: 'queueBytes',
  unsent_bytes: 'unsentBytes',
  sessions: 'sessions',
  threads: 'threads',
  files: 'files',
  mappings: 'mappings',
  call_steps: 'callSteps',
} as const;
export type PlanLimit = keyof typeof PLAN_LIMITS;

const path = v.pipe(
  text,
  v.check(
    (name) => pathProblem(name) === null,
    ({ input }) => pathProblem(input) ?? '',
  ),
  v.examples([...PATH_NAMES]),
) as unknown as v.GenericSchema<PathName>;
const limit = may(integer(1));
export const MACHINE = keys({
  profile: may(
    words(PROFILES.flatMap(({ name, aliases }) => [name as string, ...aliases])),
    "Whose kernel's semantics it has: 6.12 (the default), 6.19 or 7.3, or a version that behaves as one of them.",
  ),
  path: may(
    path,
    'The migration path: one of them, maybe with properties of its own, as in `posted-late+undoesOnError`.',
  ),
  seed: may(count),
  scheduler: may(words(['round-robin', 'random'])),
  coherent: may(flag),
  swap_mib: may(count),
  ram_mib: may(integer(1)),
  huge_pages: may(count),
  thp: may(words(['always', 'madvise', 'never'])),
  served: may(
    flag,
    'A daemon serves it, and all calls are frames. So it is anyway where a rule or a step is about sessions.',
  ),
  limits: may(
    keys(Object.fromEntries(Object.keys(PLAN_LIMITS).map((name) => [name, limit])) as Record<PlanLimit, typeof limit>),
    'Of that daemon.',
  ),
});
/** What a plan's machine is; what is left out is the default of `dmirror`. */
export type PlanMachine = v.InferInput<typeof MACHINE>;

const EXPECT = keys({
  ret: may(ret, 'What the call returns: a number, or an errno by its name.'),
  cpages: may(count),
  faults: may(count),
  signal: may(count, 'Signal number of a load or store; 0 for none.'),
  memory: may(integer(), "Each page of the step's memory holds this value plus its number."),
  data: may(integer(), "What the command stored at `ptr` is this value plus the page's number."),
  page_table: may(text, 'As `inspect page_table` has it, one line for equal neighbours.'),
  snapshot: may(
    v.union([integer(), match(/^([0-9a-f]{2})*$/, HEX)], wanted(HEX)),
    'Snapshot bytes in hexadecimal, as SNAPSHOT stored them.',
  ),
  walks: may(count, 'Counter of page table work, of this step alone; so are resumptions and remote_faults.'),
  resumptions: may(count),
  remote_faults: may(count),
  fired: may(named(count), 'How often rules have fired so far, by name.'),
  error: may(
    words<string>(ERRORS),
    'Code of the protocol error that came for it, `disconnected` when the session was lost, `stuck` when it never returns, `none`.',
  ),
  session: may(sessionState, "What has become of the step's session."),
  sessions: may(named(sessionState), 'What has become of sessions, by name.'),
});
/** What must hold after a step, or (`fired`) after the plan. */
export type Expect = v.InferInput<typeof EXPECT>;

export const STEP_KEYS = {
  do: words(VERBS),
  process: may(text),
  session: may(text, 'Of `process` and `drop`: which one, `main` unless given.'),
  device: may(text),
  on: may(text, 'Name of a mapping.'),
  pages: may(pages, '`3`, or `0-7`; all pages of the mapping unless given.'),
  name: may(text, 'Of what `map`, `open`, `fork` and `process` make.'),
  prot: may(words<string>(['none', 'r', 'rw'])),
  advice: may(words(Object.keys(ADVICE))),
  value: may(integer(0, 0xffff_ffff), 'Of the first page; each further page has one more.'),
  shared: may(flag),
  huge: may(flag, 'Aligned to 2 MiB, with MADV_HUGEPAGE.'),
  minor: may(integer(0, 3)),
  dialect: may(text),
  file: may(flag),
  expect: may(EXPECT),
};
/** One call, or several at once. Names are of things that earlier steps made. */
export interface Step extends v.InferInput<v.StrictObjectSchema<typeof STEP_KEYS, undefined>> {
  /** Of `together`: steps whose calls are issued at once, each from a thread of its own. */
  steps?: Step[];
}
const LAZY_STEP: v.GenericSchema<Step> = v.lazy(() => STEP);
export const STEP: v.GenericSchema<Step> = keys({
  ...STEP_KEYS,
  steps: may(list(LAZY_STEP), 'Of `together`: steps whose calls are issued at once, each from a thread of its own.'),
});

const RULE_KEYS = {
  name: may(text),
  point: v.pipe(some(POINT), v.description('One, or several that share the knobs and the count of hits.')),
  phase: may(phase),
  caller: may(text, "Only while this function of the kernel is on the stack, by the kernel's name or ours."),
  process: may(text),
  fd: may(
    text,
    'An open file of the plan. Without it, and without `scope: machine`, the first file that the setup opens.',
  ),
  scope: may(words(['file', 'machine'])),
  session: may(text, "Of the interface: whose frames; `main` unless given, everybody's with `scope: machine`."),
  device: may(integer(0, 3)),
  command: may(text),
  dialect: may(text),
  on: may(text, 'Name of a mapping, with `pages` the part of it: only while one of its pages is worked on.'),
  pages: may(pages),
  addresses: may(
    match(/^0x[0-9a-f]+-0x[0-9a-f]+$/i, 'a range of addresses, as 0x1000-0x3000,'),
    'As `on`, by address: `0x1000-0x3000`, the end not among them.',
  ),
  page: may(count, 'The page of the call, from 0.'),
  nth: may(integer(1), 'The nth matching hit, from 1.'),
  probability: may(integer(0, 100)),
  interval: may(count),
  times: may(integer(-1)),
  space: may(count),
  after: may(text, 'Only once the rule of this name has struck.'),
  return: may(some(returns), 'Of several, each point returns the first that it can.'),
  bytes: may(count, 'Bytes that a short copy does first.'),
  delay: may(
    v.union([count, match(/^\d+(\.\d+)?(us|ms|s)$/, A_TIME)], wanted(A_TIME)),
    'Virtual microseconds, or with `ms`.',
  ),
  run: may(STEP, "A step of somebody else's, there and then."),
  while: may(
    keys({ point: POINT, phase: may(words<PhaseName>(PHASES)), page: may(count), nth: may(integer(1)) }),
    'Of `session_drop`: where the call is in the kernel when its session goes.',
  ),
};
/** One fault. Everything in it narrows where it strikes, says how often, or what it does. */
export interface Rule extends v.InferInput<v.StrictObjectSchema<typeof RULE_KEYS, undefined>> {
  /** Rules that wait until this one has struck. */
  then?: Rule[];
}
const LAZY_RULE: v.GenericSchema<Rule> = v.lazy(() => RULE);
export const RULE: v.GenericSchema<Rule> = keys({
  ...RULE_KEYS,
  // biome-ignore lint/suspicious/noThenProperty: the word of the plan language
  then: may(list(LAZY_RULE), 'Rules that wait until this one has struck.'),
});

export const PLAN = keys({
  name: text,
  about: may(text),
  machine: may(MACHINE),
  selftest: may(text, 'Instead of setup and steps: a case of the suite, run as it is.'),
  setup: may(list(STEP)),
  rules: may(list(RULE)),
  steps: may(list(STEP)),
  expect: may(EXPECT),
});
/** A plan, in YAML or as an object. */
export type Plan = v.InferInput<typeof PLAN>;
