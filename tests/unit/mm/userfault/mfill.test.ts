import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EEXIST, EFAULT, EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import { MADV_DONTNEED, MAP_FIXED, MAP_SHARED } from '../../../../uapi/mman.js';
import { BASE, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';
import { Serving } from './serving.js';

const KINDS = ['private anonymous', 'shared'] as const;

/** Two pages of this kind. */
function world(kind: (typeof KINDS)[number]): { w: TestMachine; file: TestFile; serving: Serving } {
  const w = new TestMachine({ checked: true });
  const file = new TestFile(w.memory, 2);
  w.anon(0, 2, kind === 'shared' ? { file, flags: MAP_SHARED | MAP_FIXED, pgoff: 0 } : {});
  return { w, file, serving: new Serving(w, 2) };
}

describe.each(KINDS)('a page that is filled in, %s,', (kind) => {
  it('has its bytes, and is writable and dirty', () => {
    const { w, serving } = world(kind);
    expect(w.run(serving.fill(1, 7))).toBe(PAGE_SIZE);
    expect([w.load(1), w.store(1, 8), w.load(1)]).toEqual([7, 'none', 8]);
    expect(w.text(1, 1)).toContain('PRESENT W');
  });

  it('takes no place that is taken', () => {
    const { w, serving } = world(kind);
    w.run(serving.fill(1, 5));
    const used = w.memory.allocator.freeFrames;
    expect(w.run(serving.fill(1, 7))).toBe(-EEXIST);
    expect([w.load(1), w.memory.allocator.freeFrames]).toEqual([5, used]);
  });

  it('is seen with its bytes or not at all, whatever runs between two steps', () => {
    const { w, file, serving } = world(kind);
    w.kernel.scheduler.isFine = true;
    const seen: number[] = [];
    const { memory, mm } = w;
    const look = (): void => {
      const table = mm.pageTable.pteTable(BASE / PAGE_SIZE);
      const pfns = [table === null ? 0 : table.hi(0), file.mapping.pages.get(0)].filter((pfn) => pfn > 0);
      seen.push(...pfns.map((pfn) => memory.words[pfn * 1024]!));
    };
    const steps = serving.fill(0, 7);
    w.run(
      (function* (): Coroutine<void> {
        for (let step = steps.next(); !step.done; step = steps.next(yield step.value)) look();
      })(),
    );
    look();
    expect(new Set(seen)).toEqual(new Set([7]));
  });

  it('needs memory', () => {
    const { w, serving } = world(kind);
    const taken: number[] = [];
    for (let pfn = w.memory.allocator.allocate(); pfn !== 0; pfn = w.memory.allocator.allocate()) taken.push(pfn);
    expect(w.run(serving.fill(0, 7), { checked: false })).toBe(-ENOMEM);
    expect(taken.length).toBeGreaterThan(0);
  });
});

it('a page behind the end of its file is none', () => {
  const { w, file, serving } = world('shared');
  file.mapping.size = PAGE_SIZE;
  expect(w.run(serving.fill(1, 7))).toBe(-EFAULT);
});

it('pages of a file, which the process has not mapped, are told of as minor faults and continued', () => {
  const world = new TestMachine({ checked: true });
  const file = new TestFile(world.memory, 2);
  world.anon(8, 2, { file, flags: MAP_SHARED | MAP_FIXED });
  world.store(8, 7);
  world.anon(0, 2, { file, flags: MAP_SHARED | MAP_FIXED });
  const serving = new Serving(world, 2, { flags: VM.uffdMinor });
  serving.serve = (page) => serving.fill(page, 0, { mode: 'continue' });
  expect([world.load(0), serving.asked]).toEqual([7, ['minor 0']]);
  expect(world.run(serving.fill(1, 0, { mode: 'continue' }))).toBe(-EFAULT);
  file.mapping.size = PAGE_SIZE;
  expect(world.run(serving.fill(1, 0, { mode: 'continue' }))).toBe(-EINVAL);
});

it('pages that are poisoned kill who touches them, and are zeroes after DONTNEED', () => {
  const world = new TestMachine({ checked: true });
  world.anon(0, 2);
  const serving = new Serving(world, 2);
  expect(world.run(serving.fill(0, 0, { mode: 'poison' }))).toBe(PAGE_SIZE);
  expect([world.load(0), world.run(serving.fill(0, 0, { mode: 'poison' }))]).toEqual(['hwpoison', -EEXIST]);
  world.advise(0, 1, MADV_DONTNEED);
  serving.serve = (page) => serving.fill(page, 0, { mode: 'zeropage' });
  expect([world.load(0), world.text(0, 1)]).toEqual([0, 'PTE 0 ZERO']);
});

it('2 MiB are in the way whether there is memory for a page table or not', () => {
  const w = new TestMachine({ checked: true });
  w.mapHuge(0, 512);
  w.fill(0);
  const serving = new Serving(w, 512);
  w.memory.kernelMemory.take('vmalloc', w.memory.allocator.available);
  expect(w.run(serving.fill(1, 7, { mode: 'zeropage' }))).toBe(-EEXIST);
  w.memory.kernelMemory.give('vmalloc', w.memory.kernelMemory.taken.vmalloc);
});
