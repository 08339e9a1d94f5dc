import { describe, expect, it } from 'vitest';
import { Prng } from '../../../../driver/core/prng.js';
import { FrameAllocator, ZERO_PFN } from '../../../../driver/mm/frames/frame-allocator.js';
import { Frames, HPAGE_PMD_NR, PG } from '../../../../driver/mm/frames/frames.js';

const BLOCKS = 4;

function makeAllocator(): { frames: Frames; allocator: FrameAllocator } {
  const frames = new Frames(BLOCKS * HPAGE_PMD_NR, 0, 0);
  return { frames, allocator: new FrameAllocator(frames) };
}

describe('FrameAllocator', () => {
  it('hands out every frame but pfn 0 and the zero page, then 0', () => {
    const { allocator } = makeAllocator();
    const seen = new Set<number>();
    for (let pfn = allocator.allocate(); pfn !== 0; pfn = allocator.allocate()) seen.add(pfn);
    expect(seen.size).toBe(BLOCKS * HPAGE_PMD_NR - 2);
    expect(seen.has(ZERO_PFN)).toBe(false);
    expect(allocator.freeFrames).toBe(0);
  });

  it('gives aligned 2 MiB folios whose tails have no references', () => {
    const { frames, allocator } = makeAllocator();
    const head = allocator.allocateHuge();
    expect(head % HPAGE_PMD_NR).toBe(0);
    expect(frames.refcount(head)).toBe(1);
    expect(frames.refcount(head + 1)).toBe(0);
    expect(frames.head(head + 511)).toBe(head);
    expect(frames.hasFlags(head + 511, PG.tail)).toBe(true);
  });

  it('makes a block whole again once its last single frame is back', () => {
    const { frames, allocator } = makeAllocator();
    const huge = [allocator.allocateHuge(), allocator.allocateHuge(), allocator.allocateHuge()];
    expect(allocator.allocateHuge()).toBe(0);
    const head = huge[1]!;
    for (let i = 0; i < HPAGE_PMD_NR; i++) {
      frames.setRefcount(head + i, 0);
      allocator.free(head + i);
    }
    expect(allocator.allocateHuge()).toBe(head);
  });

  it('starts a new life with nothing in use', () => {
    const { frames, allocator } = makeAllocator();
    for (let i = 0; i < 700; i++) allocator.allocate();
    allocator.reset();
    expect(allocator.freeFrames).toBe(BLOCKS * HPAGE_PMD_NR - 2);
    expect(frames.raw.refcount.every((count, pfn) => count === (pfn === ZERO_PFN ? 1 : 0))).toBe(true);
  });

  it.each([false, true])(
    'hands out aligned runs beside single frames, none twice, and gets all back, reusing late: %s',
    (reusesLate) => {
      const { frames, allocator } = makeAllocator();
      allocator.reusesLate = reusesLate;
      const prng = new Prng(7);
      const all = allocator.freeFrames;
      const owned = new Map<number, number>();
      const taken = new Uint8Array(BLOCKS * HPAGE_PMD_NR);
      const mark = (head: number, order: number, value: number): void => {
        expect(taken.subarray(head, head + (1 << order)).includes(value)).toBe(false);
        taken.fill(value, head, head + (1 << order));
      };
      const give = (head: number): void => {
        const order = owned.get(head)!;
        owned.delete(head);
        mark(head, order, 0);
        frames.setRefcount(head, 0);
        if (order === 0) allocator.free(head);
        else allocator.freeFolio(head, order);
      };
      for (let i = 0; i < 1000; i++) {
        const order = [0, 0, 2, 4, 8, 9][prng.below(6)]!;
        const head = order === 0 ? allocator.allocate() : allocator.allocateFolio(order);
        if (head !== 0) {
          expect([head % (1 << order), frames.order(head), frames.refcount(head)]).toEqual([0, order, 1]);
          owned.set(head, order);
          mark(head, order, 1);
        }
        const heads = [...owned.keys()];
        if (head === 0 || prng.below(3) === 0) give(heads[prng.below(heads.length)]!);
        expect(allocator.freeFrames).toBe(all - taken.reduce((sum, is) => sum + is, 0));
      }
      for (const head of owned.keys()) give(head);
      expect(allocator.freeFrames).toBe(all);
      expect(Array.from({ length: BLOCKS }, () => allocator.allocateHuge() > 0)).toEqual([true, true, true, false]);
    },
  );

  it('finds a run among frames that came back one by one, if there is one', () => {
    const { frames, allocator } = makeAllocator();
    const pfns: number[] = [];
    for (let pfn = allocator.allocate(); pfn !== 0; pfn = allocator.allocate()) pfns.push(pfn);
    const give = (pfn: number): void => {
      frames.setRefcount(pfn, 0);
      allocator.free(pfn);
    };
    for (const pfn of pfns) if (pfn % 2 === 0) give(pfn);
    expect(allocator.allocateFolio(2)).toBe(0);
    for (const pfn of [1001, 1003]) give(pfn);
    expect([allocator.allocateFolio(2), allocator.allocateFolio(2)]).toEqual([1000, 0]);
  });
});
