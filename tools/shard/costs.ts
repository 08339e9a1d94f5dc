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

/** Of what all units take: what a unit differs by at most from others whose names begin with the same word, and has no line of its own. */
const ALIKE = 1 / 500;

/** What was measured, as a costs file has it: first words of names with the mean of units that are alike, and the units that are not. */
export function costsText(
  command: string,
  measured: readonly { readonly name: string; readonly ms: number }[],
): string {
  const units = new Map<string, number[]>();
  for (const { name: unit, ms } of measured) {
    const { name, parts } = partIn(unit.slice(unit.indexOf(' ') + 1));
    units.set(name, [...(units.get(name) ?? []), ms * parts]);
  }
  const alike = new Map([...units].map(([name, all]) => [name, mean(all)]));
  const far = mean([...alike.values()]) * alike.size * ALIKE;
  const own = new Map<string, number>();
  for (let left = -1; left !== alike.size; ) {
    left = alike.size;
    const means = meansByWord(alike);
    for (const [name, ms] of alike) {
      if (Math.abs(ms - means.get(wordOf(name))!) <= far) continue;
      own.set(name, ms);
      alike.delete(name);
    }
  }
  const lines = [...new Map([...meansByWord(alike), ...own])].sort(([a], [b]) => (a < b ? -1 : 1));
  const rounded = Object.fromEntries(lines.map(([name, ms]) => [name, Number(ms.toPrecision(3))]));
  return `${JSON.stringify({ version: 1, commands: { [command]: rounded } }, null, 1)}\n`;
}

function mean(all: readonly number[]): number {
  return all.reduce((a, b) => a + b, 0) / all.length;
}

function wordOf(name: string): string {
  return /^[^.\- ]*/.exec(name)![0];
}

function meansByWord(costs: ReadonlyMap<string, number>): Map<string, number> {
  const words = new Map<string, number[]>();
  for (const [name, ms] of costs) words.set(wordOf(name), [...(words.get(wordOf(name)) ?? []), ms]);
  return new Map([...words].map(([word, all]) => [word, mean(all)]));
}
