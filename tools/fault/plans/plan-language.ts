import { PHASES } from '../../../driver/inject/inject-points.js';
import { PROFILES } from '../../../driver/mm/profile.js';
import * as errno from '../../../uapi/errno.js';
import { PATH_NAMES } from '../../../uapi/path-name.js';
import { FAULT_POINTS } from '../fault-points.js';
import { either, flag, integer, list, map, match, named, type Shape, some, text, words } from './plan-shape.js';
import { PLAN_LIMITS } from './plan-types.js';
import { ADVICE, ERRORS, VERBS } from './plan-words.js';

// What can be written in a plan, as shapes. plan-types.ts says what it means.

const ERRNOS = Object.keys(errno).filter((name) => /^E[A-Z0-9]+$/.test(name));
const count = integer(0);
const errnoWord: Shape = { kind: 'words', words: ERRNOS, spell: (word) => word.replace(/^-/, '') };
const pages = either(
  'a page, as 3, or pages, as 0-7,',
  count,
  match(/^\d+(-\d+)?$/, 'a page, as 3, or pages, as 0-7,'),
);
const sessionState = words('open', 'ended');

const EXPECT = map({
  ret: either('a number, or the name of an errno,', integer(), errnoWord),
  cpages: count,
  faults: count,
  signal: count,
  memory: integer(),
  data: integer(),
  page_table: text,
  snapshot: either('hexadecimal bytes', integer(), match(/^([0-9a-f]{2})*$/, 'hexadecimal bytes')),
  walks: count,
  resumptions: count,
  remote_faults: count,
  fired: named(count),
  error: words(...ERRORS),
  session: sessionState,
  sessions: named(sessionState),
});

const STEP_KEYS: Readonly<Record<string, Shape>> = {
  process: text,
  session: text,
  device: text,
  on: text,
  pages,
  name: text,
  prot: words('none', 'r', 'rw'),
  advice: words(...Object.keys(ADVICE)),
  value: integer(),
  shared: flag,
  huge: flag,
  minor: integer(0, 3),
  dialect: text,
  file: flag,
  steps: list(() => STEP),
};
const STEP: Shape = map({ do: words(...VERBS), ...STEP_KEYS, expect: EXPECT }, ['do']);

const POINT = words(...FAULT_POINTS.map(({ name }) => name));

const WHERE: Readonly<Record<string, Shape>> = {
  point: some(POINT),
  phase: words(...PHASES, 'wire'),
  caller: text,
  process: text,
  fd: text,
  scope: words('file', 'machine'),
  session: text,
  device: integer(0, 3),
  command: text,
  dialect: text,
  on: text,
  pages,
  addresses: match(/^0x[0-9a-f]+-0x[0-9a-f]+$/i, 'a range of addresses, as 0x1000-0x3000,'),
  page: count,
  nth: integer(1),
};

const RULE: Shape = map(
  {
    name: text,
    ...WHERE,
    probability: integer(0, 100),
    interval: count,
    times: integer(-1),
    space: count,
    after: text,
    return: some(words(...new Set(FAULT_POINTS.flatMap(({ returns }) => returns)))),
    bytes: count,
    delay: either('a time, as 20us, 5ms or 1s,', count, match(/^\d+(\.\d+)?(us|ms|s)$/, 'a time, as 20us, 5ms or 1s,')),
    run: STEP,
    while: map({ point: POINT, phase: words(...PHASES), page: count, nth: integer(1) }, ['point']),
    // biome-ignore lint/suspicious/noThenProperty: the word of the plan language
    then: list(() => RULE),
  },
  ['point'],
);

export const PLAN: Shape = map(
  {
    name: text,
    about: text,
    machine: map({
      profile: words(...PROFILES.flatMap(({ name, aliases }) => [name, ...aliases])),
      path: words(...PATH_NAMES),
      seed: count,
      scheduler: words('round-robin', 'random'),
      coherent: flag,
      swap_mib: count,
      ram_mib: integer(1),
      huge_pages: count,
      thp: words('always', 'madvise', 'never'),
      served: flag,
      limits: map(Object.fromEntries(Object.keys(PLAN_LIMITS).map((name) => [name, integer(1)]))),
    }),
    selftest: text,
    setup: list(() => STEP),
    rules: list(() => RULE),
    steps: list(() => STEP),
    expect: EXPECT,
  },
  ['name'],
);
