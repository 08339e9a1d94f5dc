import { describe, expect, it } from 'vitest';
import { FOLL } from '../../../../driver/mm/faults/foll.js';
import { pinUserPages } from '../../../../driver/mm/faults/gup.js';
import type { FileSystemLimit } from '../../../../driver/mm/files/address-space.js';
import { folioGet, folioPut } from '../../../../driver/mm/frames/folio.js';
import { unpinUserPages } from '../../../../driver/mm/frames/pin.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { UserfaultCtx } from '../../../../driver/mm/userfault/ctx.js';
import { registerRange } from '../../../../driver/mm/userfault/register.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EAGAIN, EBUSY, EINVAL, ENOMEM } from '../../../../uapi/errno.js';
import { MADV_COLLAPSE, MADV_NOHUGEPAGE, MADV_PAGEOUT, MAP_PRIVATE } from '../../../../uapi/mman.js';
import { BASE, HUGE, PAGE } from '../../test-machine.js';
import { CONTENT, FileMachine, HUGE_W } from '../file-machine.js';

describe('MADV_COLLAPSE of a tmpfs file', () => {
  it('makes one folio of pages and holes, and maps it by one entry', () => {
    const world = new FileMachine();
    for (const page of [0, 7, 511]) world.fill(page);
    const { allocator, tables } = world.memory;
    const before = [allocator.freeFrames, tables.inUse];
    world.takeEvents();
    expect(world.collapse()).toBe(0);
    expect(world.text(0, 512)).toBe(HUGE_W);
    expect(world.takeEvents()).toEqual(['CLEAR 0-1', 'CLEAR 7-8', 'CLEAR 511-512', 'CLEAR 0-512']);
    expect(world.content).toEqual(CONTENT);
    expect(world.load(1)).toBe(0);
    expect([world.mapping.pages.count, world.order(0), world.mm.rss.shmem]).toEqual([512, 9, 512]);
    expect([allocator.freeFrames + 512 - 3, tables.inUse + 1]).toEqual(before);
    expect(world.collapse()).toBe(0);
  });

  it('brings pages back from swap', () => {
    const world = new FileMachine();
    world.fill(0, 20);
    world.advise(3, 10, MADV_PAGEOUT);
    expect(world.memory.swap.used).toBe(10);
    expect(world.collapse()).toBe(0);
    expect([world.memory.swap.used, world.text(0, 512)]).toEqual([0, HUGE_W]);
    expect(world.words(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('is -EINVAL where the file has nothing, no table was ever needed, the place is not aligned, or huge pages are not wanted', () => {
    const world = new FileMachine({ npages: 1024 });
    expect(world.collapse()).toBe(-EINVAL);
    world.fill(0);
    const other = world.newMm();
    world.mapFile(0, 1024, { mm: other });
    // The file's pages are one folio by then, which 6.12 maps only where a table of entries for 2 MiB is.
    expect(world.collapse(0, other)).toBe(-EINVAL);
    expect(world.order(0)).toBe(9);
    expect([world.load(0, other), world.text(0, 512, other)]).toEqual([1, HUGE_W]);
    world.mapFile(2049, 1023);
    world.fill(2049 + 600);
    expect(world.advise(2560, 512, MADV_COLLAPSE)).toBe(-EINVAL);
    world.mapFile(4096, 1024);
    world.advise(4096, 1024, MADV_NOHUGEPAGE);
    expect(world.collapse(4096)).toBe(-EINVAL);
    expect(world.load(4096)).toBe(1);
    expect(world.text(4096, 20)).toContain('PRESENT');
  });

  it('takes the tables of other processes, which find the folio with the next fault', () => {
    const world = new FileMachine();
    const other = world.newMm();
    world.mapFile(512, 512, { mm: other });
    world.fill(512 + 7, 1, 8, other);
    world.fill(0);
    world.fill(511);
    const { tables } = world.memory;
    const before = tables.inUse;
    expect(world.collapse()).toBe(0);
    expect(world.text(512, 512, other)).toBe('PMD 0-511 NONE');
    expect(tables.inUse).toBe(before - 2);
    expect(world.load(519, other)).toBe(8);
    expect(world.text(512, 512, other)).toBe(HUGE_W);
    expect(other.rss.shmem).toBe(512);
    world.fill(519, 1, 99, other);
    expect(world.load(7)).toBe(99);
  });

  it('leaves a private mapping what it has of its own, and can not map that by one entry', () => {
    const world = new FileMachine();
    world.fill(0, 2);
    world.mapFile(1024, 512, { kind: MAP_PRIVATE });
    world.load(1024);
    world.fill(1025, 1, 77);
    expect(world.collapse(1024)).toBe(-EINVAL);
    expect([world.order(0), world.load(1024), world.load(1025), world.load(1)]).toEqual([9, 1, 77, 2]);
    world.mapFile(2048, 512, { kind: MAP_PRIVATE });
    world.load(2048);
    expect(world.text(2048, 512)).toBe('PMD 0-511 HUGE R');
    world.fill(2049, 1, 78);
    expect(world.text(2048, 512)).toBe('PTE 0 NONE\nPTE 1 PRESENT W\nPTE 2-511 NONE');
    expect([world.load(2048), world.load(2049), world.load(1)]).toEqual([1, 78, 2]);
  });

  it('is -EAGAIN while a page is pinned, and leaves all as it was', () => {
    const world = new FileMachine();
    world.fill(0, 4);
    const pfns: number[] = [];
    const pin = function* () {
      yield* world.mm.mmapLock.readLock();
      const got = yield* pinUserPages(world.mm, BASE + 2 * PAGE, 1, FOLL.write, pfns);
      world.mm.mmapLock.readUnlock();
      return got;
    };
    expect(world.run(pin())).toBe(1);
    expect(world.collapse()).toBe(-EAGAIN);
    expect(world.text(0, 5)).toBe('PTE 0-3 PRESENT W\nPTE 4 NONE');
    unpinUserPages(world.memory, pfns, 1);
    expect(world.collapse()).toBe(0);
    expect(world.words(0, 4)).toEqual([1, 2, 3, 4]);
  });

  it('puts back what it has taken when a later page is in use', () => {
    const world = new FileMachine();
    world.fill(0, 4);
    const pfn = pfnAt(world.mm, BASE / PAGE + 2);
    // Somebody who comes when the first look was taken: the notifier of the first page that is unmapped.
    let isHeld = false;
    world.mm.notifier!.invalidateRangeStart = function* () {
      if (!isHeld) folioGet(world.memory, pfn);
      isHeld = true;
      return 0;
    };
    expect(world.run(doMadvise(world.mm, BASE, HUGE, MADV_COLLAPSE), { checked: false })).toBe(-EAGAIN);
    folioPut(world.memory, pfn);
    world.check();
    expect(world.order(0)).toBe(0);
    expect(world.words(0, 4)).toEqual([1, 2, 3, 4]);
    expect(world.mapping.pages.count).toBe(4);
  });

  it('is -ENOMEM without 2 MiB in a row, and -EINVAL in a file system that has no room for the holes', () => {
    const world = new FileMachine({ ramBytes: 2 << 20 });
    world.fill(0, 3);
    expect(world.collapse()).toBe(-ENOMEM);
    expect(world.words(0, 3)).toEqual([1, 2, 3]);
    const full = new FileMachine();
    const limit: FileSystemLimit = { maxPages: 511, maxInodes: 0, files: [full.mapping] };
    full.mapping.limit = limit;
    full.fill(0, 3);
    expect(full.collapse()).toBe(-EINVAL);
    expect([full.mapping.pages.count, full.mapping.charged]).toEqual([3, 0]);
    expect(full.words(0, 3)).toEqual([1, 2, 3]);
    full.mapping.limit = { ...limit, maxPages: 512 };
    expect(full.collapse()).toBe(0);
  });

  it('is -EBUSY where somebody is to be told of missing pages; where of those that are there, it maps them all', () => {
    const world = new FileMachine();
    world.fill(0);
    const served = (flags: number): UserfaultCtx => {
      const ctx = new UserfaultCtx(world.mm, 0, () => {});
      ctx.features = 0;
      expect(world.run(registerRange(ctx, { start: BASE, end: BASE + HUGE }, flags)).error).toBe(0);
      return ctx;
    };
    served(VM.uffdMissing);
    expect(world.collapse()).toBe(-EBUSY);
    world.run(vmMunmap(world.mm, BASE, HUGE));
    world.mapFile(0, 512);
    expect(world.load(0)).toBe(1);
    served(VM.uffdMinor);
    expect(world.collapse()).toBe(0);
    expect([world.text(0, 512), world.load(100)]).toEqual([HUGE_W, 0]);
  });
});
