// What a program means by its calls of gup_test belongs to the kernel that it was built against: the record, the numbers of the
// commands and the values of the FOLL_ flags have changed. The machine's own are those of 6.12; this translates at the edge.

import { _IO, _IOW, _IOWR } from './ioc.js';

/** Commands by what they do, as gup-test.ts has their numbers. */
export type GupCommand =
  | 'GUP_FAST_BENCHMARK'
  | 'PIN_FAST_BENCHMARK'
  | 'PIN_LONGTERM_BENCHMARK'
  | 'GUP_BASIC_TEST'
  | 'PIN_BASIC_TEST'
  | 'DUMP_USER_PAGES_TEST'
  | 'PIN_LONGTERM_TEST_START'
  | 'PIN_LONGTERM_TEST_STOP'
  | 'PIN_LONGTERM_TEST_READ';

/** Where the fields are behind the five that every record begins with; null: the record has no such field. */
export interface GupLayout {
  readonly bytes: number;
  readonly gupFlags: number;
  readonly testFlags: number | null;
  readonly whichPages: number | null;
}

/** One generation of the device. */
export interface GupAbi {
  /** The kernel that brought it. */
  readonly id: string;
  /** Kernel versions, and so dialect names, that mean it. */
  readonly kernels: readonly string[];
  /** Its file in /sys/kernel/debug. */
  readonly node: 'gup_test' | 'gup_benchmark';
  readonly layout: GupLayout;
  /** By the whole ioctl number. */
  readonly commands: ReadonlyMap<number, GupCommand>;
  /** What of the program's flags counts: the first ones kept FOLL_WRITE alone. */
  readonly flagMask: number;
  /** Pairs of a bit in the program's flags and 6.12's for the same; null: they are the same. */
  readonly foll: readonly (readonly [number, number])[] | null;
}

const BENCHMARK: GupLayout = { bytes: 120, gupFlags: 36, testFlags: null, whichPages: null };
const FIRST: GupLayout = { bytes: 72, gupFlags: 36, testFlags: null, whichPages: 40 };
const SECOND: GupLayout = { bytes: 80, gupFlags: 36, testFlags: 40, whichPages: 44 };

const FOLL_WRITE = 1;
const ALL_FLAGS = 0xffffffff;
/** include/linux/mm.h of 6.1, where programs may pass them; 0: there is nothing left that it could mean. */
const OLD_FOLL: readonly (readonly [number, number])[] = [
  [0x1, 0x1], // WRITE
  [0x2, 0], // TOUCH: marks pages as accessed
  [0x8, 0x4], // DUMP
  [0x10, 0x8], // FORCE
  [0x20, 0x10], // NOWAIT
  [0x80, 0x20], // NOFAULT
  [0x100, 0x40], // HWPOISON
  [0x8000, 0x80], // ANON
  [0x10000, 0x100], // LONGTERM
  [0x20000, 0x200], // SPLIT_PMD
];
/** A bit that 6.12 keeps for itself, so that it refuses the call: what stands for any flag without a meaning there. */
const REFUSED = 0x10000;

function numbered(bytes: number, names: readonly GupCommand[]): [number, GupCommand][] {
  return names.map((name, i) => [_IOWR('g', i + 1, bytes), name]);
}

const LONGTERM_TEST: readonly [number, GupCommand][] = [
  [_IOW('g', 7, 24), 'PIN_LONGTERM_TEST_START'],
  [_IO('g', 8), 'PIN_LONGTERM_TEST_STOP'],
  [_IOW('g', 9, 8), 'PIN_LONGTERM_TEST_READ'],
];
const SIX: readonly GupCommand[] = [
  ...(['GUP_FAST_BENCHMARK', 'PIN_FAST_BENCHMARK', 'PIN_LONGTERM_BENCHMARK'] as const),
  ...(['GUP_BASIC_TEST', 'PIN_BASIC_TEST', 'DUMP_USER_PAGES_TEST'] as const),
];
const FIVE: readonly GupCommand[] = [
  ...(['GUP_FAST_BENCHMARK', 'GUP_BASIC_TEST'] as const),
  ...(['PIN_FAST_BENCHMARK', 'PIN_BASIC_TEST', 'PIN_LONGTERM_BENCHMARK'] as const),
];

/** Oldest first. Read in the sources of 5.10, 6.1, 6.12, 7.2 and 7.3; the bounds between are those of the commits. */
export const GUP_ABIS: readonly GupAbi[] = [
  {
    id: '5.8',
    kernels: ['5.8', '5.9', '5.10'],
    node: 'gup_benchmark',
    layout: BENCHMARK,
    commands: new Map(numbered(BENCHMARK.bytes, FIVE)),
    flagMask: FOLL_WRITE,
    foll: null,
  },
  {
    id: '5.11',
    kernels: ['5.11', '5.12'],
    node: 'gup_test',
    layout: FIRST,
    commands: new Map(numbered(FIRST.bytes, SIX)),
    flagMask: FOLL_WRITE,
    foll: null,
  },
  {
    id: '5.13',
    kernels: ['5.13', '5.14', '5.15', '5.16', '5.17', '5.18', '5.19', '6.0', '6.1'],
    node: 'gup_test',
    layout: SECOND,
    commands: new Map(numbered(SECOND.bytes, SIX)),
    flagMask: ALL_FLAGS,
    foll: OLD_FOLL,
  },
  {
    id: '6.2',
    kernels: ['6.2'],
    node: 'gup_test',
    layout: SECOND,
    commands: new Map([...numbered(SECOND.bytes, SIX), ...LONGTERM_TEST]),
    flagMask: ALL_FLAGS,
    foll: OLD_FOLL,
  },
  {
    id: '6.3',
    kernels: [],
    node: 'gup_test',
    layout: SECOND,
    commands: new Map([...numbered(SECOND.bytes, SIX), ...LONGTERM_TEST]),
    flagMask: ALL_FLAGS,
    foll: null,
  },
];

/** That of 6.12 and of every name that is not an older kernel's. */
export const GUP_ABI: GupAbi = GUP_ABIS.at(-1)!;

/** The generation that the name of a dialect means, when it is the version of a kernel; else the newest. */
export function gupAbiByDialectName(name: string): GupAbi {
  return GUP_ABIS.find(({ kernels }) => kernels.includes(name)) ?? GUP_ABI;
}

/** A program's gup_flags in 6.12's bits. */
export function gupFlagsOf({ foll, flagMask }: GupAbi, flags: number): number {
  const own = (flags & flagMask) >>> 0;
  if (foll === null) return own;
  let known = 0;
  let meaning = 0;
  for (const [bit, now] of foll) {
    if (own & bit) meaning |= now;
    known |= bit;
  }
  return own & ~known ? meaning | REFUSED : meaning;
}
