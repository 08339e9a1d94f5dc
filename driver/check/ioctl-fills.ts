import { PAGEMAP_SCAN } from '../../uapi/pm-scan.js';
import { readU64 } from '../../uapi/u64.js';
import { UFFDIO } from '../../uapi/userfaultfd.js';

interface Range {
  readonly start: number;
  readonly end: number;
}

/** What an ioctl gives to memory by means of its own: pages, or what it found. */
export interface IoctlFill {
  readonly to: Range;
  /** Where its bytes come from, which `moves` leaves empty; null where that is nowhere. */
  readonly from: Range | null;
  readonly moves: boolean;
}

const REGION_BYTES = 24;
/** Words of the record that are the destination, the source and the length. */
const FILLS: Readonly<Record<number, { to: number; from?: number; length: number; moves?: true; unit?: number }>> = {
  [UFFDIO.COPY]: { to: 0, from: 1, length: 2 },
  [UFFDIO.MOVE]: { to: 0, from: 1, length: 2, moves: true },
  [UFFDIO.ZEROPAGE]: { to: 0, length: 1 },
  [UFFDIO.CONTINUE]: { to: 0, length: 1 },
  [UFFDIO.POISON]: { to: 0, length: 1 },
  [PAGEMAP_SCAN]: { to: 5, length: 6, unit: REGION_BYTES },
};

/** Of which the record must be known. */
export function isUserfaultFill(cmd: number): boolean {
  return Object.hasOwn(FILLS, cmd >>> 0) && FILLS[cmd >>> 0]!.unit === undefined;
}

/** What the ioctl of that number does with that record, of a userfaultfd or a pagemap; null when it fills nothing. */
export function ioctlFill(cmd: number, record: Uint8Array): IoctlFill | null {
  const fill = FILLS[cmd >>> 0];
  if (fill === undefined || record.length < 24) return null;
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const length = readU64(view, 8 * fill.length) * (fill.unit ?? 1);
  const rangeAt = (word: number): Range => {
    const start = readU64(view, 8 * word);
    return { start, end: start + length };
  };
  return {
    to: rangeAt(fill.to),
    from: fill.from === undefined ? null : rangeAt(fill.from),
    moves: fill.moves ?? false,
  };
}
