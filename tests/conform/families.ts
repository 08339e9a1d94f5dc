// What the families of sequences are made of: weights of ops, as the recorded ones have them.

export type Family = 'small' | 'mix' | 'coherent' | 'thp' | 'swap' | 'huge' | 'pin' | 'raw';

/** Weight by name. */
export type Weights = Readonly<Record<string, number>>;

export interface FamilyPlan {
  /** Ops that are not device commands, `dm` standing for all of those. */
  readonly ops: Weights;
  readonly devices: readonly number[];
  readonly kinds: Weights;
  readonly advice: Weights;
  /** Pages of a region; 1024 is two huge pages. */
  readonly regionPages: readonly number[];
  readonly regions: number;
  /** Ops after the regions are mapped: from the first number, up to the second. */
  readonly steps: readonly [number, number];
  /** An op with which three of four sequences begin. */
  readonly begins?: string;
  readonly protections?: Weights;
  /** Region pages to which mremap moves. */
  readonly remapTo: readonly number[];
  /** Half of the ops are on a whole region. */
  readonly isMostlyWhole?: boolean;
}

export const COMMANDS: Weights = {
  MIGRATE_TO_DEV: 51,
  SNAPSHOT: 30,
  WRITE: 27,
  MIGRATE_TO_SYS: 26,
  READ: 24,
  EXCLUSIVE: 17,
  CHECK_EXCLUSIVE: 9,
  RELEASE: 3,
};

const OPS: Weights = {
  dm: 190,
  load: 80,
  store: 91,
  open: 25,
  close: 4,
  protect: 36,
  advise: 32,
  fork: 22,
  unmap: 14,
  remap: 6,
  map: 20,
  exit: 3,
  pagemap: 10,
};
const ADVICE: Weights = { DONTNEED: 40, FREE: 30, POPULATE_READ: 16, POPULATE_WRITE: 14 };
const ANON: Weights = { anon: 1 };
const SMALL_PAGES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const SMALL: FamilyPlan = {
  ops: OPS,
  devices: [0, 1],
  kinds: ANON,
  advice: ADVICE,
  regionPages: SMALL_PAGES,
  regions: 3,
  steps: [10, 50],
  remapTo: [20, 21, 22, 23],
};

export const FAMILIES: Readonly<Record<Family, FamilyPlan>> = {
  small: SMALL,
  mix: {
    ...SMALL,
    ops: { ...OPS, remap: 15 },
    kinds: { anon: 40, dev: 16, filep: 15, files: 15, shared: 14 },
  },
  coherent: { ...SMALL, devices: [2, 3, 0] },
  thp: {
    ...SMALL,
    ops: { ...OPS, advise: 90, remap: 24, protect: 24, unmap: 8, map: 2, open: 8 },
    advice: { HUGEPAGE: 24, COLLAPSE: 44, FREE: 12, NOHUGEPAGE: 6, DONTNEED: 14 },
    regionPages: [1024],
    regions: 1,
    steps: [5, 20],
    begins: 'advise 0 0 0 1024 HUGEPAGE',
    protections: { rw: 1 },
    remapTo: [2048, 2055, 2560],
  },
  swap: { ...SMALL, ops: { ...OPS, advise: 90 }, advice: { ...ADVICE, PAGEOUT: 150 } },
  huge: { ...SMALL, kinds: { anon: 55, hugetlb: 45 }, regionPages: [512, 1024, 3, 7, 10] },
  pin: { ...SMALL, ops: { ...OPS, gup: 45, pin: 28, unpin: 20 } },
  raw: { ...SMALL, ops: { ...OPS, raw: 320 } },
};
