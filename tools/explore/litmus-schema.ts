import * as v from 'valibot';
import { integer, keys, list, MACHINE, may, STEP, text } from '../fault/plans/plan-schema.js';

// What can be written in a litmus test: types, checks and docs/schemas/litmus.schema.json are made from this. Steps are those of plans.

const OP = v.pipe(text, v.description('An op of the recording language, as `store 0 0 0 2 0x10`.'));
const ACTION = v.union([OP, STEP]);
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

/** A YAML file. */
export const LITMUS = keys({
  name: may(PLAIN, 'The name of the file unless given.'),
  about: may(text),
  machine: may(MACHINE, 'Of what a plan can say here `path` and `profile` count.'),
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

/** One JSON line, with what a real kernel showed. Keys that are not known may say how it was recorded. */
export const RECORDED = v.looseObject({
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
});
/** What a line may have. */
export const RECORDED_KEYS: readonly string[] = [
  ...Object.keys(RECORDED.entries),
  ...['pages', 'iterations', 'dropped', 'kernel_messages', 'crashes'],
];
export type RecordedLitmus = v.InferOutput<typeof RECORDED>;
