import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Row } from './measurement.js';

const PAIRS = 21;
/** The 7th of 21 sorted values and the 7th from behind: the true median lies between them in 92 of 100 cases. */
const RANK = 6;

/** A built machine of its own, so that what ran before in this process has shaped neither's compiled code. */
export type Build = <T>(module: string) => Promise<T>;

/** Copies the built package twice: as it is, and with the machine's sources edited. `edit` counts what it replaces. */
export async function withBuilds<T>(
  edit: (text: string, replaced: () => void, file: string) => string,
  work: (real: Build, edited: Build) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-builds-'));
  try {
    let count = 0;
    const real = copyBuild(join(folder, 'real'), (text) => text);
    const edited = copyBuild(join(folder, 'edited'), (text, file) => edit(text, () => count++, file));
    if (count === 0) throw new Error('nothing of the built machine was replaced, so it would be compared with itself');
    return await work(real, edited);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function copyBuild(folder: string, edit: (text: string, file: string) => string): Build {
  const built = fileURLToPath(new URL('../../', import.meta.url));
  cpSync(built, folder, { recursive: true, filter: (path) => !path.endsWith('.d.ts') });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(folder, 'node_modules'));
  for (const entry of readdirSync(join(folder, 'driver'), { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.js')) continue;
    const file = join(folder, 'driver', entry);
    writeFileSync(file, edit(readFileSync(file, 'utf8'), entry));
  }
  return (module) => import(pathToFileURL(join(folder, module)).href);
}

/** How often `real` takes the time of `edited`: the median of interleaved pairs, each the least of `rounds`. */
export async function pairedRow(
  work: { name: string; goal: string; real(): unknown; edited(): unknown },
  { warmUps = 5, rounds = 3 } = {},
): Promise<Row> {
  const { name, goal, real, edited } = work;
  for (let i = 0; i < warmUps; i++) {
    await real();
    await edited();
  }
  const ratios: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    // Whoever comes first has the cold cache, so they take turns.
    const isFirst = i % 2 === 0;
    const first = await leastCpu(rounds, isFirst ? real : edited);
    const second = await leastCpu(rounds, isFirst ? edited : real);
    ratios.push(isFirst ? first / second : second / first);
  }
  ratios.sort((x, y) => x - y);
  const interval = [ratios[RANK]!, ratios[PAIRS - 1 - RANK]!] as const;
  return { name, value: ratios[(PAIRS - 1) / 2]!, interval, unit: 'x', goal };
}

/** Of CPU time, which a busy machine stretches less than that of the clock. */
async function leastCpu(rounds: number, work: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, user + system);
  }
  return least;
}
