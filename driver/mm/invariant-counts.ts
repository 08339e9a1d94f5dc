import type { Memory } from './memory.js';

/** What a walk over everything counted, by pfn (references and PMD mappings at the folio's head). */
export class InvariantCounts {
  readonly refs: Int32Array;
  readonly mapcount: Int32Array;
  readonly entire: Int32Array;
  readonly slotCounts = new Map<number, number>();

  constructor(frameCount: number) {
    this.refs = new Int32Array(frameCount);
    this.mapcount = new Int32Array(frameCount);
    this.entire = new Int32Array(frameCount);
  }

  /** Forgets what was counted over the frames that `forEachRun` names. */
  clear(forEachRun: (visit: (first: number, end: number) => void) => void): void {
    forEachRun((first, end) => {
      this.refs.fill(0, first, end);
      this.mapcount.fill(0, first, end);
      this.entire.fill(0, first, end);
    });
    this.slotCounts.clear();
  }
}

/** The machine's counters, cleared. Frames that were not used since were not counted either. */
export function takeInvariantCounts(
  memory: Memory,
  forEachRun: (visit: (first: number, end: number) => void) => void = (visit) => forEachUsedRun(memory, visit),
): InvariantCounts {
  memory.invariantCounts ??= new InvariantCounts(memory.frames.count);
  memory.invariantCounts.clear(forEachRun);
  return memory.invariantCounts;
}

/** Calls `visit` for each run [first, end) of frames of which some may have been used in this life of the machine. */
export function forEachUsedRun(memory: Memory, visit: (first: number, end: number) => void): void {
  visit(1, memory.allocator.freshStart);
  for (const pagemap of memory.pagemaps) {
    if (pagemap !== null) visit(pagemap.freshEnd, pagemap.firstPfn + pagemap.npages);
  }
}
