import * as v from 'valibot';
import { issueAt, issueToTell, readYamlFile } from '../../yaml-file.js';

const number = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.pipe(v.string(), v.minLength(1));
const schema = v.array(
  v.strictObject({
    /** A file of the suite's folder. */
    program: text,
    args: v.optional(v.array(text), []),
    /** Options of the machine, where they are not those of the command. */
    needs: v.optional(
      v.strictObject({ ram: v.optional(text), swap: v.optional(text), hugepages: v.optional(number) }),
      {},
    ),
    /** Why it is not run. */
    out: v.optional(text),
    /** Exit status and results by kind; what is left out is not compared. */
    expect: v.optional(
      v.strictObject({
        status: v.optional(number, 0),
        pass: v.optional(number),
        fail: v.optional(number, 0),
        skip: v.optional(number),
        xfail: v.optional(number, 0),
      }),
    ),
    /** What real Linux answers where that is something else, and why. */
    differs: v.optional(text),
  }),
);

export type SuiteRun = v.InferOutput<typeof schema>[number];

/** The runs that a file of `--expect` lists, in its order. Throws UsageError with the place of a mistake. */
export function readSuiteFile(path: string): SuiteRun[] {
  const hint = 'a list of runs, each with `program`; tests/guest/selftests-mm/suite.yaml of the package is one';
  const { value, wrong } = readYamlFile(path, hint);
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [keys, message, part] = issueAt(issueToTell(parsed.issues));
  throw wrong(keys, keys.length === 0 ? message : `${keys.join('.')}: ${message}`, part);
}
