import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { type Build, pairedRow, withBuilds } from './builds.js';
import type { DeviceProcess } from './device-process.js';
import type { Measurement, Row } from './measurement.js';

const PAGE_BYTES = 4096;
const TRIPS = 200;

/** The build with every test replaced by `false`, as if no such point were there. */
const without = (test: RegExp) => (text: string, replaced: () => void) =>
  text.replace(test, () => {
    replaced();
    return 'false';
  });

async function tripOf(build: Build, { path, npages }: { path: PathName; npages: number }): Promise<() => void> {
  const module = await build<{ DeviceProcess: typeof DeviceProcess }>('tests/bench/device-process.js');
  const process = new module.DeviceProcess({ ramBytes: 64 * 1024 * 1024, path });
  const sizeBytes = npages * PAGE_BYTES;
  const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
  return () => {
    for (let i = 0; i < TRIPS / npages; i++) process.roundTrip(at);
  };
}

/** What points cost that are idle. Needs the built package. */
function idlePoints(name: string, what: string, test: RegExp): Measurement {
  return {
    name,
    about: `ioctls with idle ${what} against a build without any, median of 21 interleaved pairs`,
    run: () =>
      withBuilds(without(test), async (build, edited) => {
        const rows: Row[] = [];
        for (const path of EQUAL_PATHS)
          for (const npages of [1, 64]) {
            const row = `${path}, ioctls of ${npages} page${npages === 1 ? '' : 's'}`;
            const [a, b] = [await tripOf(build, { path, npages }), await tripOf(edited, { path, npages })];
            rows.push(await pairedRow({ name: row, goal: '<= 1.05', real: a, edited: b }));
          }
        return rows;
      }),
  };
}

export const faultPoints = idlePoints('fault-points', 'fault points', /(?:[\w.]+\.)?\binject\.armed\b(?!\s*=[^=])/g);

/** Scheduling points that only an explorer stops at. */
export const finePoints = idlePoints(
  'fine-points',
  'points for explorers',
  /[\w.]+\.(?:isFine|wantsFine)\b(?!\s*=[^=])/g,
);
