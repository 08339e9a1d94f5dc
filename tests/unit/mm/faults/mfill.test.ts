import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { mfillAtomicPteCopy } from '../../../../driver/mm/faults/mfill.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { EEXIST, EFAULT, ENOMEM } from '../../../../uapi/errno.js';
import { MAP_FIXED, MAP_SHARED } from '../../../../uapi/mman.js';
import { BASE, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';

const KINDS = ['private anonymous', 'shared'] as const;

/** Two pages of this kind. */
function world(kind: (typeof KINDS)[number]): { w: TestMachine; file: TestFile } {
  const w = new TestMachine({ checked: true });
  const file = new TestFile(w.memory, 2);
  w.anon(0, 2, kind === 'shared' ? { file, flags: MAP_SHARED | MAP_FIXED, pgoff: 0 } : {});
  return { w, file };
}

function* fill({ mm }: TestMachine, page: number, word: number): Coroutine<number> {
  const addr = BASE + page * PAGE_SIZE;
  yield* mm.mmapLock.readLock();
  const words = new Uint32Array(PAGE_SIZE / 4).fill(word);
  const answer = yield* mfillAtomicPteCopy(mm.vmaLookup(addr)!, addr, new Uint8Array(words.buffer));
  mm.mmapLock.readUnlock();
  return answer;
}

describe.each(KINDS)('a page that is filled in, %s,', (kind) => {
  it('has its bytes, and is writable and dirty', () => {
    const { w } = world(kind);
    expect(w.run(fill(w, 1, 7))).toBe(0);
    expect([w.load(1), w.store(1, 8), w.load(1)]).toEqual([7, 'none', 8]);
    expect(w.text(1, 1)).toContain('PRESENT W');
  });

  it('takes no place that is taken', () => {
    const { w } = world(kind);
    w.fill(1, 1, 5);
    const used = w.memory.allocator.freeFrames;
    expect(w.run(fill(w, 1, 7))).toBe(-EEXIST);
    expect([w.load(1), w.memory.allocator.freeFrames]).toEqual([5, used]);
  });

  it('is seen with its bytes or not at all, whatever runs between two steps', () => {
    const { w, file } = world(kind);
    w.kernel.scheduler.isFine = true;
    const seen: number[] = [];
    const { memory, mm } = w;
    const look = (): void => {
      const table = mm.pageTable.pteTable(BASE / PAGE_SIZE);
      const pfns = [table === null ? 0 : table.hi(0), file.mapping.pages.get(0)].filter((pfn) => pfn > 0);
      seen.push(...pfns.map((pfn) => memory.words[pfn * 1024]!));
    };
    const steps = fill(w, 0, 7);
    w.run(
      (function* (): Coroutine<void> {
        for (let step = steps.next(); !step.done; step = steps.next(yield step.value)) look();
      })(),
    );
    look();
    expect(new Set(seen)).toEqual(new Set([7]));
  });

  it('needs memory', () => {
    const { w } = world(kind);
    const taken: number[] = [];
    for (let pfn = w.memory.allocator.allocate(); pfn !== 0; pfn = w.memory.allocator.allocate()) taken.push(pfn);
    expect(w.run(fill(w, 0, 7), { checked: false })).toBe(-ENOMEM);
    expect(taken.length).toBeGreaterThan(0);
  });
});

it('a page behind the end of its file is none', () => {
  const { w, file } = world('shared');
  file.mapping.size = PAGE_SIZE;
  expect(w.run(fill(w, 1, 7))).toBe(-EFAULT);
});
