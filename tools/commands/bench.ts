import { MEASUREMENTS } from '../../tests/bench/index.js';
import type { Measurement, Row } from '../../tests/bench/measurement.js';
import { abi } from '../abi/bench.js';
import { fleet } from '../campaign/fleet-bench.js';
import { scale } from '../campaign/scale.js';
import { EXIT, UsageError } from '../exit-code.js';
import { globToRegExp } from '../glob.js';
import type { Output } from '../output.js';

export interface BenchOptions {
  readonly list: boolean;
  readonly test: readonly string[];
  readonly json: boolean;
  /** Of one measurement that can be drawn. */
  readonly svg?: string | undefined;
}

/** `dmirror bench`: prints what it measures and judges nothing. */
export async function bench(
  options: BenchOptions,
  output: Output,
  all = [...MEASUREMENTS, abi, fleet, scale],
): Promise<number> {
  const chosen = selectMeasurements(all, options.test);
  if (options.list) {
    for (const { name, about } of chosen) output.out(`${name.padEnd(12)} ${about}`);
    return EXIT.pass;
  }
  if (options.svg !== undefined) return drawn(chosen, options.svg, output);
  const measured: { name: string; about: string; rows: Row[] }[] = [];
  const { stop } = output;
  stop.watch();
  for (const measurement of chosen) {
    if (await stop.look()) break;
    output.progress.update({ done: measured.length, total: chosen.length, failed: 0, name: measurement.name });
    const rows = await Promise.race([measurement.run(), stop.whenRequested]);
    output.progress.clear();
    if (rows === undefined) break;
    measured.push({ name: measurement.name, about: measurement.about, rows });
    if (!options.json) printTable(measured.at(-1)!, output);
  }
  const ending = stop.isRequested ? { interrupted: true } : {};
  if (options.json)
    output.out(JSON.stringify({ schemaVersion: 1, node: process.version, measurements: measured, ...ending }, null, 2));
  else if (stop.isRequested) output.out(`# interrupted\n${measured.length} of ${chosen.length} measurements`);
  return EXIT.pass;
}

function drawn(chosen: readonly Measurement[], file: string, output: Output): number {
  const [one, ...more] = chosen.filter(({ svg }) => svg !== undefined);
  if (one === undefined || more.length > 0 || chosen.length > 1)
    throw new UsageError(
      '--svg draws one measurement, and of those that count',
      'as in `dmirror bench walks --svg walks.svg`',
    );
  output.file('--svg', file).write(one.svg!());
  return EXIT.pass;
}

function selectMeasurements(all: readonly Measurement[], globs: readonly string[]): readonly Measurement[] {
  const patterns = globs.map(globToRegExp);
  patterns.forEach((pattern, i) => {
    if (all.some(({ name }) => pattern.test(name))) return;
    throw new UsageError(`no measurement matches '${globs[i]}'`, 'see the names with `dmirror bench --list`');
  });
  return patterns.length === 0 ? all : all.filter(({ name }) => patterns.some((pattern) => pattern.test(name)));
}

function printTable({ name, about, rows }: { name: string; about: string; rows: Row[] }, output: Output): void {
  output.out(`${name}: ${about}`);
  const width = Math.max(...rows.map((row) => row.name.length));
  for (const row of rows) {
    const goal = row.goal === undefined ? '' : `   goal ${row.goal}`;
    const interval = row.interval === undefined ? '' : ` ${row.interval.map((end) => end.toFixed(3)).join(' to ')}`;
    const value = row.value.toPrecision(3).padStart(9);
    output.out(`  ${row.name.padEnd(width)}  ${value} ${row.unit.padEnd(2)}${interval}${goal}`.trimEnd());
  }
  output.out('');
}
