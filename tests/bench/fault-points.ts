import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import type { DeviceProcess } from './device-process.js';
import { leastMs, type Measurement, type Row } from './measurement.js';

const PAIRS = 21;
const PAGE_BYTES = 4096;
const TRIPS = 200;

type DeviceProcessClass = typeof DeviceProcess;

/** A built machine of its own, so that what ran before in this process has shaped neither's compiled code. */
interface Build {
  readonly DeviceProcess: DeviceProcessClass;
}

const FAULT_TEST = /(?:[\w.]+\.)?\binject\.armed\b(?!\s*=[^=])/g;

/** Copies the built machine twice: as it is, and with every test of `inject.armed` replaced by `false`, as if no fault point were there. */
async function withBuilds(work: (real: Build, stubbed: Build) => Row[]): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-builds-'));
  try {
    const real = await copyBuild(join(folder, 'real'), (text) => text);
    let replaced = 0;
    const withoutPoints = (): string => {
      replaced++;
      return 'false';
    };
    const stubbed = await copyBuild(join(folder, 'stubbed'), (text) => text.replace(FAULT_TEST, withoutPoints));
    if (replaced === 0)
      throw new Error('the built machine never tests inject.armed, so it would be compared with itself');
    return work(real, stubbed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function copyBuild(folder: string, edit: (text: string) => string): Promise<Build> {
  const built = fileURLToPath(new URL('../../', import.meta.url));
  for (const part of ['driver', 'uapi', 'tests/bench'])
    cpSync(join(built, part), join(folder, part), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const entry of readdirSync(join(folder, 'driver'), { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.js')) continue;
    const file = join(folder, 'driver', entry);
    writeFileSync(file, edit(readFileSync(file, 'utf8')));
  }
  return (await import(pathToFileURL(join(folder, 'tests/bench/device-process.js')).href)) as Build;
}

function tripOf(process: DeviceProcess, npages: number): () => void {
  const sizeBytes = npages * PAGE_BYTES;
  const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
  return () => {
    for (let i = 0; i < TRIPS / npages; i++) process.roundTrip(at);
  };
}

function compare(builds: { real: Build; stubbed: Build }, path: PathName, npages: number): Row {
  const machine = { ramBytes: 64 * 1024 * 1024, path };
  const real = tripOf(new builds.real.DeviceProcess(machine), npages);
  const bare = tripOf(new builds.stubbed.DeviceProcess(machine), npages);
  for (let i = 0; i < 5; i++) {
    real();
    bare();
  }
  const ratios: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    // Whoever comes first has the cold cache, so they take turns.
    const isFirst = i % 2 === 0;
    const first = leastMs(3, isFirst ? real : bare);
    const second = leastMs(3, isFirst ? bare : real);
    ratios.push(isFirst ? first / second : second / first);
  }
  const median = ratios.sort((a, b) => a - b)[(PAIRS - 1) / 2]!;
  return {
    name: `${path}, ioctls of ${npages} page${npages === 1 ? '' : 's'}`,
    value: median,
    unit: 'x',
    goal: '<= 1.05',
  };
}

/** What fault points cost while no plan runs. Needs the built package. */
export const faultPoints: Measurement = {
  name: 'fault-points',
  about: 'ioctls with idle fault points against a build without any, median of 21 interleaved pairs',
  run: () =>
    withBuilds((real, stubbed) =>
      EQUAL_PATHS.flatMap((path) => [1, 64].map((npages) => compare({ real, stubbed }, path, npages))),
    ),
};
