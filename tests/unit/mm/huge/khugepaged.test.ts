import { describe, expect, it } from 'vitest';
import { folioGet, folioPut } from '../../../../driver/mm/frames/folio.js';
import { khugepagedTurn } from '../../../../driver/mm/huge/khugepaged.js';
import type { KhugepagedKnobs } from '../../../../driver/mm/huge/khugepaged-state.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { mwriteprotectRange } from '../../../../driver/mm/userfault/wp.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EBUSY } from '../../../../uapi/errno.js';
import { MADV_COLLAPSE, MADV_HUGEPAGE, MADV_PAGEOUT } from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';
import { Serving } from '../userfault/serving.js';

/** 2 MiB, of which the first `npages` are small pages, on khugepaged's list. */
function small<T extends TestMachine>(world: T, npages = 3, knobs: Partial<KhugepagedKnobs> = {}): T {
  Object.assign(world.memory.khugepaged.knobs, knobs);
  world.map(0, 512);
  world.fill(0, npages);
  world.advise(0, 512, MADV_HUGEPAGE);
  return world;
}

/** What the first pages are once khugepaged has had a turn. */
function turn(world: TestMachine, npages = 4): string {
  expect(world.run(khugepagedTurn(world.memory))).toBe(0);
  return world.text(0, npages);
}

const COLLAPSED = 'PMD 0-3 HUGE W';

describe('khugepaged', () => {
  it('collapses what is small in memory that may have huge pages, and counts it', () => {
    const world = small(new TestMachine({ checked: true }));
    world.takeEvents();
    expect(turn(world)).toBe(COLLAPSED);
    expect(world.words(0, 4)).toEqual([1, 2, 3, 0]);
    expect(world.takeEvents()).toEqual(['CLEAR 0-512']);
    const { pagesCollapsed, fullScans } = world.memory.khugepaged;
    expect([pagesCollapsed, fullScans]).toEqual([1, 1]);
  });

  it('leaves memory alone that nobody asked for, that was never touched, or that is turned off meanwhile', () => {
    const world = new TestMachine({ checked: true });
    world.map(0, 512);
    world.fill(0, 1);
    expect(turn(world, 1)).toBe('PTE 0 PRESENT W');
    world.map(2048, 512);
    world.advise(2048, 512, MADV_HUGEPAGE);
    expect(world.memory.khugepaged.mms).toEqual([]);
    world.advise(0, 512, MADV_HUGEPAGE);
    world.memory.thpEnabled = 'never';
    expect(turn(world, 1)).toBe('PTE 0 PRESENT W');
    world.memory.thpEnabled = 'madvise';
    world.memory.thpOrders = { always: 0, madvise: 0, inherit: 0 };
    expect(turn(world, 1)).toBe('PTE 0 PRESENT W');
  });

  it.each([
    ['none', { maxPtesNone: 508 }, { maxPtesNone: 509 }],
    ['swap', { maxPtesSwap: 1 }, { maxPtesSwap: 2 }],
    ['shared', { maxPtesShared: 2 }, { maxPtesShared: 3 }],
  ] as const)('takes as many pages as its limit says: %s', (kind, less, enough) => {
    // With a page in swap at least half of the others must have been used.
    const world = small(new TestMachine({ checked: true, swapBytes: 2 ** 20 }), kind === 'swap' ? 400 : 3, less);
    if (kind === 'swap') world.advise(1, 2, MADV_PAGEOUT);
    if (kind === 'shared') {
      world.fork();
      world.store(3, 4);
    }
    const before = world.text(0, 4);
    expect(turn(world)).toBe(before);
    Object.assign(world.memory.khugepaged.knobs, enough);
    expect(turn(world)).toBe(COLLAPSED);
    expect(world.words(0, 3)).toEqual([1, 2, 3]);
  });

  it('wants pages that were used, one that may be written, and no other reference', () => {
    const world = small(new TestMachine({ checked: true, swapBytes: 2 ** 20 }), 255);
    world.advise(1, 1, MADV_PAGEOUT);
    expect(turn(world)).toBe('PTE 0 PRESENT W\nPTE 1 SWAP\nPTE 2-3 PRESENT W');
    const held = small(new TestMachine({ checked: false }));
    const pfn = pfnAt(held.mm, BASE / PAGE);
    folioGet(held.memory, pfn);
    expect(turn(held)).toBe('PTE 0-2 PRESENT W\nPTE 3 NONE');
    folioPut(held.memory, pfn);
    expect(turn(held)).toBe(COLLAPSED);
  });

  it('looks at as many pages in a turn as its knob says, and goes on there', () => {
    const world = new TestMachine({ checked: true });
    world.memory.khugepaged.knobs.pagesToScan = 512;
    world.map(0, 1536);
    for (const part of [0, 512, 1024]) world.fill(part, 1);
    world.advise(0, 1536, MADV_HUGEPAGE);
    const parts = (): string[] => [0, 512, 1024].map((part) => world.text(part, 1).split(' ')[0]!);
    turn(world);
    expect(parts()).toEqual(['PMD', 'PTE', 'PTE']);
    turn(world);
    expect(parts()).toEqual(['PMD', 'PMD', 'PTE']);
    turn(world);
    expect([parts(), world.memory.khugepaged.fullScans]).toEqual([['PMD', 'PMD', 'PMD'], 0]);
    turn(world);
    expect(world.memory.khugepaged.fullScans).toBe(1);
  });

  it('goes through every address space, and forgets those whose users have gone', () => {
    const world = small(new TestMachine({ checked: true }));
    const child = world.fork();
    expect(world.memory.khugepaged.mms).toEqual([world.mm, child]);
    for (const mm of [world.mm, child]) world.store(0, 7, mm);
    expect(turn(world)).toBe(COLLAPSED);
    expect(world.text(0, 4, child)).toBe(COLLAPSED);
    world.exit(child);
    expect(world.memory.khugepaged.mms).toEqual([world.mm]);
    world.memory.khugepaged.knobs.pagesToScan = 512;
    turn(world);
    world.exit(world.mm);
    turn(world);
    expect(world.memory.khugepaged.mms).toEqual([]);
  });

  it('is a task of its own that sleeps in virtual time, and waits a minute for a huge page', () => {
    const world = small(new TestMachine({ checked: true, ramBytes: 16 << 20 }));
    const { scheduler } = world.kernel;
    const passes = (ms: number): void => {
      scheduler.advance(ms * 1000);
      scheduler.run();
    };
    const taken: number[] = [];
    for (let head = world.memory.allocator.allocateHuge(); head !== 0; head = world.memory.allocator.allocateHuge())
      taken.push(head);
    passes(9000);
    expect(world.memory.khugepaged.task).toBeNull();
    passes(1000);
    expect([world.memory.khugepaged.task?.state, world.text(0, 1)]).toEqual(['idle', 'PTE 0 PRESENT W']);
    folioPut(world.memory, taken.pop()!);
    passes(50_000);
    expect(world.text(0, 1)).toBe('PTE 0 PRESENT W');
    passes(10_000);
    // The turn that waited goes on with what is left of its list: nothing, and then it sleeps as ever.
    passes(10_000);
    expect([world.text(0, 4), scheduler.isAtRest]).toEqual([COLLAPSED, true]);
    for (const head of taken) folioPut(world.memory, head);
  });

  it('tells who asks for a turn that another one is under way', () => {
    const world = small(new TestMachine({ checked: true }));
    world.memory.khugepaged.isAtWork = true;
    expect(world.run(khugepagedTurn(world.memory))).toBe(-EBUSY);
  });
});

describe.each([
  ['khugepaged', (world: TestMachine): number => world.run(khugepagedTurn(world.memory))],
  ['MADV_COLLAPSE', (world: TestMachine): number => world.advise(0, 512, MADV_COLLAPSE)],
])('%s', (_, collapse) => {
  it('brings pages home from a device, and counts them as it does those in swap', () => {
    const world = small(new DeviceMachine({ thpEnabled: 'madvise' }), 300);
    const file = world.open(0);
    world.command(file, 'MIGRATE_TO_DEV', 0, 2);
    expect(world.text(0, 3)).toBe('PTE 0-1 DPRIV-W\nPTE 2 PRESENT W');
    collapse(world);
    expect([world.text(0, 4), world.words(0, 3)]).toEqual([COLLAPSED, [1, 2, 3]]);
    world.check();
  });

  it('ends the exclusive access of a device', () => {
    const world = small(new DeviceMachine({ thpEnabled: 'madvise' }), 300);
    const file = world.open(0);
    world.command(file, 'EXCLUSIVE', 0, 1);
    collapse(world);
    expect(world.text(0, 4)).toBe(COLLAPSED);
    world.check();
  });

  it('leaves pages alone that a userfaultfd protects, and holes that it serves', () => {
    for (const flags of [VM.uffdWp, VM.uffdMissing]) {
      const world = small(new TestMachine({ checked: true }));
      const serving = new Serving(world, 512, { flags });
      if (flags === VM.uffdWp) world.run(mwriteprotectRange(serving.ctx, { start: BASE, end: BASE + PAGE }, true));
      const before = world.text(0, 4);
      collapse(world);
      expect(world.text(0, 4)).toBe(before);
    }
  });
});
