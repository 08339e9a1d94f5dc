import * as v from 'valibot';
import { PROFILE_NAMES } from '../../driver/mm/profile.js';
import { SEARCHES } from '../arguments.js';

const names = v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1));
const whole = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));

/** One kind of work in each item. */
const WHAT = v.strictObject({
  /** Cases of `dmirror selftest`. */
  cases: v.optional(names),
  /** Cases that `dmirror fault sweep` fails in turn. */
  sweeps: v.optional(names),
  /** Files of recordings, or names of those that the package ships. */
  recordings: v.optional(names),
  /** Litmus tests, as for `dmirror explore`. */
  litmus: v.optional(names),
  /** Plans, as for `dmirror fault run`. */
  plans: v.optional(names),
  /** Folders of guest programs, as for `dmirror exec --suite`; `suite.yaml` in one says what they need and come to. */
  suites: v.optional(names),
  /** So many jobs that take CPU and find nothing, to try a fleet with. */
  probes: v.optional(v.strictObject({ count: whole(1, 1_000_000), ms: whole(0, 60_000) })),
});

/** What a campaign file may have. */
export const CAMPAIGN = v.strictObject({
  name: v.pipe(
    v.string(),
    v.regex(/^[a-zA-Z0-9][\w.-]*$/, 'a name begins with a letter or digit and has letters, digits, dots and dashes'),
  ),
  what: v.pipe(v.array(WHAT), v.minLength(1)),
  paths: v.optional(names, ['classic', 'unified']),
  profiles: v.optional(v.pipe(v.array(v.picklist(PROFILE_NAMES)), v.minLength(1)), ['6.12']),
  dialects: v.optional(names, ['dmirror']),
  /** Of litmus tests. */
  strategies: v.optional(v.pipe(v.array(v.picklist(SEARCHES)), v.minLength(1)), ['dpor']),
  /** Of litmus tests: without failures, and with each that they can meet. */
  faults: v.optional(v.pipe(v.array(v.picklist([0, 1])), v.minLength(1)), [0]),
  /** Schedules of one litmus test at most. */
  schedules: v.optional(whole(1, 1_000_000_000), 2000),
  seeds: v.optional(v.pipe(v.array(whole(0, 0xffffffff)), v.minLength(1)), [1]),
  budget: v.optional(
    v.strictObject({
      /** Wall time, as `90s`, `30m` or `2h`. */
      time: v.optional(v.pipe(v.string(), v.regex(/^\d+[smh]$/, 'a time is as 90s, 30m or 2h'))),
      /** Runs and schedules, of all jobs together. */
      runs: v.optional(whole(1, Number.MAX_SAFE_INTEGER)),
    }),
    {},
  ),
  /** After so many different findings, or failed jobs, no further job is begun. */
  stop: v.optional(v.strictObject({ findings: v.optional(whole(1, 1e9)), failures: v.optional(whole(1, 1e9)) }), {}),
});

export type Campaign = v.InferOutput<typeof CAMPAIGN>;
export type What = v.InferOutput<typeof WHAT>;
export const KINDS = Object.keys(WHAT.entries) as (keyof What)[];
