import * as v from 'valibot';
import { integer, keys, list, MACHINE, may, STEP_KEYS, text, words } from '../fault/plans/plan-schema.js';
import { VERBS } from '../fault/plans/plan-words.js';

// What can be written in a litmus test: types, checks and docs/schemas/litmus.schema.json are made from this. Steps are those of plans that are
// one call.

const OP = v.pipe(text, v.description('An op of the recording language, as `store 0 0 0 2 0x10`.'));
/** Those of plans that are about sessions, or about what runs at the same time. */
const NO_STEPS: readonly string[] = ['session', 'drop', 'process', 'kill', 'wait', 'together'];
export const LITMUS_VERBS = VERBS.filter((verb) => !NO_STEPS.includes(verb));
const { session: _session, dialect: _dialect, expect: _expect, ...OF_STEPS } = STEP_KEYS;
export const LITMUS_STEP = keys(
  { ...OF_STEPS, do: words(LITMUS_VERBS) },
  {
    expect: 'what must come of a litmus test is said by forbid, require and allow',
    dialect: 'a litmus test speaks that of --dialect',
  },
);
export type LitmusStep = v.InferOutput<typeof LITMUS_STEP>;
const ACTION = v.union([OP, LITMUS_STEP]);
/** What is printed as it is. */
const PLAIN = v.pipe(
  text,
  v.regex(/^\P{Cc}+$/u, 'text of at least one character, and no control character, is wanted here'),
);
const OUTCOMES = list(v.pipe(PLAIN, v.description('An outcome; `*` stands for anything.')));
const ALLOWED = v.pipe(
  OUTCOMES,
  v.minLength(1, 'at least one outcome is wanted here: without `allow` all are allowed'),
);

const { path, profile, ...OF_PLANS } = MACHINE.entries;
const TEST_MACHINE = keys(
  { path, profile },
  Object.fromEntries(Object.keys(OF_PLANS).map((key) => [key, 'a litmus test says path and profile, and no more'])),
);

/** A YAML file. */
export const LITMUS = keys({
  name: may(PLAIN, 'The name of the file unless given.'),
  about: may(text),
  machine: may(TEST_MACHINE, 'Where the command line says nothing else.'),
  setup: may(list(ACTION), 'Done one after the other before the race.'),
  threads: v.pipe(
    v.array(list(ACTION)),
    v.minLength(1, 'at least one thread is wanted here'),
    v.description('All begin together; each keeps its own order.'),
  ),
  observe: may(list(ACTION), 'Done one after the other when all threads have ended.'),
  forbid: may(OUTCOMES, 'No outcome may be one of these.'),
  require: may(OUTCOMES, 'Each must be reached.'),
  allow: may(ALLOWED, 'Every outcome must be one of these.'),
});
export type YamlLitmus = v.InferOutput<typeof LITMUS>;
export type LitmusAction = v.InferOutput<typeof ACTION>;

const LINES = list(OP);
const COUNTS = v.record(v.string(), v.array(integer(0)));

/** One JSON line, with what a real kernel showed, and how it was recorded. */
export const RECORDED = keys({
  name: PLAIN,
  setup: LINES,
  threads: v.pipe(v.array(LINES), v.minLength(1, 'at least one thread is wanted here')),
  observe: LINES,
  setup_answers: v.optional(LINES),
  outcomes: v.optional(COUNTS),
  serial: v.optional(v.record(v.string(), v.number())),
  stale_read: v.optional(LINES),
  forbid: v.optional(OUTCOMES),
  require: v.optional(OUTCOMES),
  allow: v.optional(ALLOWED),
  pages: v.optional(integer(1)),
  iterations: v.optional(list(integer(0))),
  dropped: v.optional(list(integer(0))),
  kernel_messages: v.optional(v.record(v.string(), v.unknown())),
  crashes: v.optional(list(v.record(v.string(), v.unknown()))),
});
export type RecordedLitmus = v.InferOutput<typeof RECORDED>;
