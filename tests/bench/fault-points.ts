import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DeviceProcess } from './device-process.js';
import { leastMs, type Measurement, type Row } from './measurement.js';

const PAIRS = 21;
const PAGE_BYTES = 4096;
const TRIPS = 200;

type DeviceProcessClass = typeof DeviceProcess;

/** The built machine with every test of `faults.armed` replaced by `false`, as if no fault point were there. */
async function withoutPoints(work: (stubbed: DeviceProcessClass) => Row[]): Promise<Row[]> {
  const built = fileURLToPath(new URL('../../', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-stubbed-'));
  try {
    for (const part of ['driver', 'uapi', 'tests/bench'])
      cpSync(join(built, part), join(folder, part), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const entry of readdirSync(join(folder, 'driver'), { recursive: true, encoding: 'utf8' })) {
      if (!entry.endsWith('.js')) continue;
      const file = join(folder, 'driver', entry);
      writeFileSync(file, readFileSync(file, 'utf8').replace(/(?:[\w.]+\.)?\bfaults\.armed\b(?!\s*=[^=])/g, 'false'));
    }
    const module = (await import(pathToFileURL(join(folder, 'tests/bench/device-process.js')).href)) as {
      DeviceProcess: DeviceProcessClass;
    };
    return work(module.DeviceProcess);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tripOf(process: DeviceProcess, npages: number): () => void {
  const sizeBytes = npages * PAGE_BYTES;
  const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
  return () => {
    for (let i = 0; i < TRIPS / npages; i++) process.roundTrip(at);
  };
}

function compare(stubbed: DeviceProcessClass, path: 'classic' | 'unified', npages: number): Row {
  const machine = { ramBytes: 64 * 1024 * 1024, path };
  const real = tripOf(new DeviceProcess(machine), npages);
  const bare = tripOf(new stubbed(machine), npages);
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
    withoutPoints((stubbed) =>
      (['classic', 'unified'] as const).flatMap((path) => [1, 64].map((npages) => compare(stubbed, path, npages))),
    ),
};
