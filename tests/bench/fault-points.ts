import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { type Build, pairedRow, withBuilds } from './builds.js';
import type { DeviceProcess } from './device-process.js';
import type { Measurement, Row } from './measurement.js';

const PAGE_BYTES = 4096;
const TRIPS = 200;

const FAULT_TEST = /(?:[\w.]+\.)?\binject\.armed\b(?!\s*=[^=])/g;

/** With every test of `inject.armed` replaced by `false`, as if no fault point were there. */
function withoutPoints(text: string, replaced: () => void): string {
  return text.replace(FAULT_TEST, () => {
    replaced();
    return 'false';
  });
}

async function tripOf(build: Build, { path, npages }: { path: PathName; npages: number }): Promise<() => void> {
  const module = await build<{ DeviceProcess: typeof DeviceProcess }>('tests/bench/device-process.js');
  const process = new module.DeviceProcess({ ramBytes: 64 * 1024 * 1024, path });
  const sizeBytes = npages * PAGE_BYTES;
  const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
  return () => {
    for (let i = 0; i < TRIPS / npages; i++) process.roundTrip(at);
  };
}

/** What fault points cost while no plan runs. Needs the built package. */
export const faultPoints: Measurement = {
  name: 'fault-points',
  about: 'ioctls with idle fault points against a build without any, median of 21 interleaved pairs',
  run: () =>
    withBuilds(withoutPoints, async (build, edited) => {
      const rows: Row[] = [];
      for (const path of EQUAL_PATHS)
        for (const npages of [1, 64]) {
          const name = `${path}, ioctls of ${npages} page${npages === 1 ? '' : 's'}`;
          const [a, b] = [await tripOf(build, { path, npages }), await tripOf(edited, { path, npages })];
          rows.push(await pairedRow({ name, goal: '<= 1.05', real: a, edited: b }));
        }
      return rows;
    }),
};
