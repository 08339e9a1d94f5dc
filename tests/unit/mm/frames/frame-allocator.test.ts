import { describe, expect, it } from 'vitest';
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
});
