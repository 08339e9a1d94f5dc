import { describe, expect, it } from 'vitest';
import { makeDeviceExclusiveRange } from '../../../../driver/hmm/index.js';
import { handleMmFault } from '../../../../driver/mm/faults/fault.js';
import { folioLock, folioPut, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EFAULT } from '../../../../uapi/errno.js';
import { Fixture, START } from '../fixture.js';

function* exclusive(f: Fixture, npages = f.npages) {
  const pfns = new Uint32Array(npages);
  const range = { start: START, end: START + npages * PAGE_SIZE, owner: null };
  const ret = yield* makeDeviceExclusiveRange(f.mm, range, pfns);
  const got = [...pfns.subarray(0, Math.max(ret, 0))];
  for (const pfn of got) {
    if (pfn === 0) continue;
    folioUnlock(f.memory, pfn);
    folioPut(f.memory, pfn);
  }
  return { ret, got };
}

describe('make_device_exclusive_range', () => {
  it('faults pages in for write and takes them from the CPU', () => {
    const f = new Fixture(2);
    const pfn = f.mapPage(0);
    const { ret, got } = f.locked(exclusive(f));
    expect(ret).toBe(2);
    expect(got[0]).toBe(pfn);
    expect(f.text()).toBe('PTE 0-1 DEXCL-W');
    const { frames } = f.memory;
    expect([frames.refcount(pfn), frames.mapcount(pfn)]).toEqual([1, 0]);
  });

  it('is ended by a CPU fault', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0);
    f.locked(exclusive(f));
    f.locked(handleMmFault(f.vma, START, 0));
    expect(f.text()).toBe('PTE 0 PRESENT W');
    expect([f.memory.frames.refcount(pfn), f.memory.frames.mapcount(pfn)]).toEqual([1, 1]);
  });

  it('skips a page that somebody has locked', () => {
    const f = new Fixture(2);
    const pfn = f.mapPage(0);
    f.mapPage(1);
    const { ret, got } = f.locked(
      (function* () {
        yield* folioLock(f.memory, pfn);
        const result = yield* exclusive(f);
        folioUnlock(f.memory, pfn);
        return result;
      })(),
    );
    expect(ret).toBe(2);
    expect(got[0]).toBe(0);
    expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 DEXCL-W');
    expect(f.memory.frames.refcount(pfn)).toBe(1);
  });

  it('answers what GUP answers for memory that may not be written', () => {
    const f = new Fixture(1);
    f.mapPage(0, { write: false });
    f.vma.flags &= ~VM.write;
    expect(f.locked(exclusive(f)).ret).toBe(-EFAULT);
  });
});
