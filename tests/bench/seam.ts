import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import type { SelftestCase } from '../selftests/case.js';
import { type Build, pairedRow, withBuilds } from './builds.js';
import type { DeviceProcess } from './device-process.js';
import { COMPILER, compile, isInstalled, PROGRAMS, type runHere } from './guest.js';
import type { Measurement, Row } from './measurement.js';
import type { suiteMs } from './selftests.js';

const SIZE_BYTES = 4 * 1024 * 1024;
const TRIPS = 4;
const GUEST_ROUNDS = 5;

/** Statements that tell an observer. */
const TELLS = /\b[\w.]+\.(?:observer\?\.\w+|touch|contentIsReplaced|contentIsRead)\([^;{]*\);/g;
/** Questions that go through a module, and the array that lies behind each. */
const READS: readonly (readonly [name: RegExp, array: string, at: (i: string) => string])[] = [
  [/\.lo(?:Lockless)?\(/g, 'cells', (i) => `2 * (${i})`],
  [/\.hi(?:Lockless)?\(/g, 'cells', (i) => `2 * (${i}) + 1`],
  [/(?<=frames)\.refcount\(/g, 'refcounts', (i) => i],
  [/(?<=frames)\.mapcount\(/g, 'mapcounts', (i) => i],
  [/(?<=frames)\.folioMapcount\(/g, 'folioMapcounts', (i) => i],
  [/(?<=frames)\.head\(/g, 'heads', (i) => i],
  [/(?<=frames)\.order\(/g, 'orders', (i) => i],
  [/(?<=frames)\.index\(/g, 'indexes', (i) => i],
  [/(?<=frames)\.zoneDeviceData\(/g, 'deviceData', (i) => i],
];

/** The machine without the seam: nobody is told, and what is shared is read where it lies. */
function withoutSeam(text: string, replaced: () => void, file: string): string {
  // The compiler's `lo` and `hi` are halves of registers.
  if (file.startsWith('cpu')) return text;
  let bare = text.replace(TELLS, () => {
    replaced();
    return ';';
  });
  for (const [name, array, at] of READS) bare = readDirectly(bare, { name, array, at, replaced });
  return bare;
}

function readDirectly(
  text: string,
  { name, array, at, replaced }: { name: RegExp; array: string; at(i: string): string; replaced(): void },
): string {
  let out = '';
  let done = 0;
  for (const match of text.matchAll(name)) {
    if (match.index < done || /\bsuper$/.test(text.slice(0, match.index))) continue;
    const start = match.index + match[0].length;
    const end = closingParenthesis(text, start);
    replaced();
    out += `${text.slice(done, match.index)}.${array}[${at(text.slice(start, end))}]`;
    done = end + 1;
  }
  return out + text.slice(done);
}

function closingParenthesis(text: string, start: number): number {
  let depth = 1;
  let i = start;
  for (; depth > 0; i++) depth += text[i] === '(' ? 1 : text[i] === ')' ? -1 : 0;
  return i - 1;
}

/** What is run in both builds; made anew in each. */
type Work = (build: Build) => Promise<() => unknown>;

const migrate =
  (path: (typeof EQUAL_PATHS)[number]): Work =>
  async (build) => {
    const module = await build<{ DeviceProcess: typeof DeviceProcess }>('tests/bench/device-process.js');
    const process = new module.DeviceProcess({ ramBytes: 16 * SIZE_BYTES, path });
    const at = { addr: process.buffer(SIZE_BYTES), ptr: process.buffer(SIZE_BYTES), sizeBytes: SIZE_BYTES };
    return () => {
      for (let i = 0; i < TRIPS; i++) process.roundTrip(at);
    };
  };

const suite =
  (path: (typeof EQUAL_PATHS)[number]): Work =>
  async (build) => {
    const module = await build<{ suiteMs: typeof suiteMs }>('tests/bench/selftests.js');
    const { allCases } = await build<{ allCases(): SelftestCase[] }>('tests/selftests/index.js');
    const cases = allCases().filter(({ suite }) => suite === 'hmm');
    return () => module.suiteMs(cases, path);
  };

const program =
  (file: string): Work =>
  async (build) => {
    const module = await build<{ runHere: typeof runHere }>('tests/bench/guest.js');
    return () => module.runHere(file);
  };

/** What the seam at which an observer can stand costs while none does. Needs the built package. */
export const seam: Measurement = {
  name: 'seam',
  about:
    'no observer against a build that tells nobody and reads shared state where it lies, median of 21 interleaved pairs',
  run: () =>
    withBuilds(withoutSeam, async (real, bare) => {
      const rows: Row[] = [];
      const compare = async (name: string, work: Work, options: { warmUps?: number; rounds?: number }) => {
        const pair = { name, goal: '<= 1.03', real: await work(real), edited: await work(bare) };
        rows.push(await pairedRow(pair, options));
      };
      for (const path of EQUAL_PATHS) await compare(`migrate-4m, ${path}`, migrate(path), {});
      for (const path of EQUAL_PATHS)
        await compare(`selftests of hmm, ${path}`, suite(path), { warmUps: 2, rounds: 1 });
      if (!isInstalled(COMPILER)) return rows;
      const folder = mkdtempSync(join(tmpdir(), 'dmirror-bench-'));
      try {
        for (const name of PROGRAMS) {
          const file = compile(folder, name, [`-DROUNDS=${GUEST_ROUNDS}`]);
          await compare(`guest, ${name}`, program(file), { warmUps: 2, rounds: 1 });
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
      return rows;
    }),
};
