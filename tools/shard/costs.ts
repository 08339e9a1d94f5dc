import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { inputBytes, UsageError } from '../exit-code.js';
import { shipped } from '../package-root.js';

/** Milliseconds that units take, by command and by name; a name stands for all that begin with it and go on behind `.`, `-` or a space. */
const COSTS = v.strictObject({
  version: v.literal(1),
  commands: v.record(v.string(), v.record(v.string(), v.pipe(v.number(), v.finite(), v.minValue(0)))),
});

/** What a command's units cost, and which file says so. */
export interface Costs {
  readonly version: number;
  /** SHA-256 of the file. */
  readonly hash: string;
  of(unit: string): number;
}

const SHIPPED = 'tools/shard/costs.json';

/** Of `file`, or of the package. Throws UsageError. */
export function costsOf(command: string, file: string = shipped(SHIPPED)): Costs {
  const bytes = inputBytes(file, HINT);
  const found = v.safeParse(COSTS, parsed(file, bytes));
  if (!found.success) {
    const [{ message, path }] = found.issues;
    throw new UsageError(`${file}: ${path?.map(({ key }) => key).join('.') ?? 'its top'}: ${message}`, HINT);
  }
  const known = new Map(Object.entries(found.output.commands[command] ?? {}));
  const all = [...known.values()];
  const mean = all.length === 0 ? 1 : all.reduce((sum, ms) => sum + ms, 0) / all.length;
  return {
    version: found.output.version,
    hash: createHash('sha256').update(bytes).digest('hex'),
    of: (unit) => {
      const { name, parts } = partIn(unit);
      return (costIn(known, name) ?? mean) / parts;
    },
  };
}

const HINT = `costs are as \`dmirror merge-reports DIR --measure FILE\` writes them: {"version": 1, "commands": {"selftest": {"hmm": 12.5}}}`;

function parsed(file: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`, HINT);
  }
}

/** `NAME 2 of 9` is one of nine parts that cost the same. */
function partIn(unit: string): { readonly name: string; readonly parts: number } {
  const [, name = unit, parts = '1'] = /^(.*) \d+ of (\d+)$/.exec(unit) ?? [];
  return { name, parts: Number(parts) };
}

/** A unit is called by its path and its name. */
function costIn(known: ReadonlyMap<string, number>, unit: string): number | undefined {
  for (let name = unit.slice(unit.indexOf(' ') + 1); name !== ''; name = name.replace(/(^|[.\- ])[^.\- ]*$/, '')) {
    const ms = known.get(name);
    if (ms !== undefined) return ms;
  }
  return undefined;
}

/** What was measured, as a costs file has it: of numbered units, as `mix-17` or `sequences 9-16`, the mean. */
export function costsText(
  command: string,
  measured: readonly { readonly name: string; readonly ms: number }[],
): string {
  const groups = new Map<string, number[]>();
  for (const { name: unit, ms } of measured) {
    const { name, parts } = partIn(unit);
    const group = name.slice(name.indexOf(' ') + 1).replace(/( \d+)?-\d+$/, '');
    groups.set(group, [...(groups.get(group) ?? []), ms * parts]);
  }
  const mean = (all: readonly number[]): number => Number((all.reduce((a, b) => a + b, 0) / all.length).toPrecision(3));
  const units = Object.fromEntries(
    [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, all]) => [name, mean(all)]),
  );
  return `${JSON.stringify({ version: 1, commands: { [command]: units } }, null, 1)}\n`;
}
