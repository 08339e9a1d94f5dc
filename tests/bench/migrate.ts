import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { DeviceProcess } from './device-process.js';
import { leastMs, type Measurement, type Row } from './measurement.js';
import { PlainCopy } from './plain-copy.js';

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
/** Three to the device (source to device page, device page to bounce buffer, bounce buffer to user), one back. */
const COPIES = 4;
/** The buffer, what is behind its device pages, what `ptr` points to, and a little. */
const RAM_PER_BYTE = 3.25;
/** The 4 MiB runs also warm the compiler, so they get many rounds. */
const ROUNDS_SMALL = 30;

interface Trip {
  readonly sizeBytes: number;
  readonly path: PathName;
  readonly huge?: boolean;
  readonly rounds: number;
}

/** Costs of a round trip and of the bare copies, taken in turns so that both see the same host. */
function measureTrip({ sizeBytes, path, huge = false, rounds }: Trip): { trip: number; copy: number } {
  const ramBytes = Math.max(64 * MIB, Math.ceil((RAM_PER_BYTE * sizeBytes) / (2 * MIB)) * 2 * MIB);
  const process = new DeviceProcess({ ramBytes, path, coherent: false });
  const ptr = process.buffer(sizeBytes);
  let at = { addr: process.buffer(sizeBytes, { huge }), ptr, sizeBytes };
  const plain = new PlainCopy(sizeBytes / PAGE_BYTES);
  process.roundTrip(at);
  plain.run(COPIES);
  let trip = Number.POSITIVE_INFINITY;
  let copy = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    // The first trip splits huge pages for good, so every round brings its own.
    if (huge) at = { ...at, addr: process.anotherBuffer(at.addr, sizeBytes) };
    trip = Math.min(
      trip,
      leastMs(1, () => process.roundTrip(at)),
    );
    copy = Math.min(
      copy,
      leastMs(1, () => plain.run(COPIES)),
    );
  }
  return { trip, copy };
}

function rowsOf(name: string, { trip, copy }: { trip: number; copy: number }, goal?: string): Row[] {
  return [
    { name: `${name} ratio`, value: trip / copy, unit: 'x', ...(goal ? { goal } : {}) },
    { name: `${name} migrate`, value: trip, unit: 'ms' },
    { name: `${name} plain copies`, value: copy, unit: 'ms' },
  ];
}

/** 4 MiB to the device and back against the bare copies, in 4 KiB pages and huge pages. */
export const migrateSmall: Measurement = {
  name: 'migrate-4m',
  about: '4 MiB to the device and back, against one Buffer.copy a page for each of its 4 copies',
  run() {
    const sizeBytes = 4 * MIB;
    return EQUAL_PATHS.flatMap((path) => [
      ...rowsOf(`${path} 4 KiB pages`, measureTrip({ sizeBytes, path, rounds: ROUNDS_SMALL }), '<= 6'),
      ...rowsOf(`${path} huge pages`, measureTrip({ sizeBytes, path, huge: true, rounds: ROUNDS_SMALL })),
    ]);
  },
};

/** The same ratio when neither the frames nor their tables fit a cache. */
export const migrateLarge: Measurement = {
  name: 'migrate-1g',
  about: 'the ratio of migrate-4m at 1 GiB, against the ratio at 4 MiB',
  run() {
    const small = measureTrip({ sizeBytes: 4 * MIB, path: 'classic', rounds: ROUNDS_SMALL });
    const large = measureTrip({ sizeBytes: 1024 * MIB, path: 'classic', rounds: 2 });
    const growth = large.trip / large.copy / (small.trip / small.copy);
    return [
      { name: 'ratio at 1 GiB to ratio at 4 MiB', value: growth, unit: 'x', goal: '<= 1.3' },
      ...rowsOf('1 GiB', large),
      ...rowsOf('4 MiB', small),
    ];
  },
};
