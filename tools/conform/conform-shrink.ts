import { parseConfiguration } from '../../tests/conform/configuration.js';
import { FAMILIES, type Family } from '../../tests/conform/families.js';
import { generate } from '../../tests/conform/generate.js';
import type { Sequence } from '../../tests/conform/recording.js';
import { Replayer } from '../../tests/conform/replay.js';
import { shrink } from '../../tests/conform/shrink/shrink.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';

export interface ShrinkOptions {
  /** Name of a recorded sequence, or `family:seed` of a generated one. */
  readonly shrink: string;
  /** The two configurations. */
  readonly path: string;
  readonly against: string;
  readonly json: boolean;
}

/** Prints the smallest sequence on which the two configurations still differ. Status 1 when they differ, 0 when not. */
export function shrinkCommand(sequences: readonly Sequence[], options: ShrinkOptions, { out }: Output): number {
  const pair = [replayer(options.path), replayer(options.against)] as const;
  const { seq, lines } = chosen(sequences, options.shrink);
  const found = shrink(seq, lines, pair);
  if (found === null) {
    out(
      options.json ? JSON.stringify({ seq, differs: false }) : `${seq}: ${options.path} and ${options.against} agree`,
    );
    return EXIT.pass;
  }
  const { difference, tried } = found;
  if (options.json) {
    out(JSON.stringify({ seq, differs: true, ops: found.lines, at: difference.at, seen: difference.seen, tried }));
    return EXIT.fail;
  }
  for (const line of found.lines) out(line);
  out(`! ${found.lines[difference.at] ?? 'final page tables'}`);
  for (const [i, name] of [options.path, options.against].entries()) {
    out(`  ${name}:`);
    for (const line of difference.seen[i as 0 | 1].split('\n')) out(`    ${line}`);
  }
  out(`${seq}: ${lines.length} ops shrunk to ${found.lines.length}, ${tried} sequences tried`);
  return EXIT.fail;
}

function replayer(configuration: string): Replayer {
  try {
    return new Replayer(parseConfiguration(configuration));
  } catch (error) {
    throw new UsageError((error as Error).message, 'as in --path classic --against unified');
  }
}

function chosen(sequences: readonly Sequence[], name: string): { seq: string; lines: readonly string[] } {
  const generated = /^([a-z]+):(\d+)$/.exec(name);
  if (generated !== null && generated[1]! in FAMILIES) {
    const seed = Number(generated[2]);
    return { seq: `${generated[1]}-${seed}`, lines: generate(generated[1] as Family, seed) };
  }
  const sequence = sequences.find(({ seq }) => seq === name);
  if (sequence === undefined) {
    const hint = 'give the file that has it, or family:seed for a generated one, such as mix:7';
    throw new UsageError(`no sequence is named '${name}'`, hint);
  }
  return { seq: sequence.seq, lines: sequence.steps.map(([op]) => op) };
}
