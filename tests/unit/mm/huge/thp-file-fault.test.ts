import { describe, expect, it } from 'vitest';
import { FOLL } from '../../../../driver/mm/faults/foll.js';
import { getUserPages, pinUserPages } from '../../../../driver/mm/faults/gup.js';
import { shmemAllocate, shmemFileReadIter, shmemPunchHole, shmemTruncate } from '../../../../driver/mm/files/shmem.js';
import { folioGet, folioPut } from '../../../../driver/mm/frames/folio.js';
import { unpinUserPages } from '../../../../driver/mm/frames/pin.js';
import { splitHugePagesAll, splitHugePagesInFile } from '../../../../driver/mm/huge/split-huge-pages.js';
import { UserfaultCtx } from '../../../../driver/mm/userfault/ctx.js';
import { mfillAtomic } from '../../../../driver/mm/userfault/mfill.js';
import { registerRange } from '../../../../driver/mm/userfault/register.js';
import { mwriteprotectRange } from '../../../../driver/mm/userfault/wp.js';
import { doMincore } from '../../../../driver/mm/vmas/mincore.js';
import type { Mm } from '../../../../driver/mm/vmas/mm.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EEXIST, EINVAL } from '../../../../uapi/errno.js';
import {
  MADV_COLD,
  MADV_DONTNEED,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MAP_PRIVATE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { BASE, HUGE, PAGE, RW } from '../../test-machine.js';
import { CONTENT, FileMachine, HUGE_W } from '../file-machine.js';

describe('2 MiB of a tmpfs file', () => {
  it('come with a fault, writable with a write, and for a fault around too', () => {
    const world = new FileMachine().collapsed();
    world.advise(0, 512, MADV_DONTNEED);
    expect([world.text(0, 512), world.mm.rss.shmem]).toEqual(['PMD 0-511 NONE', 0]);
    world.fill(7, 1, 9);
    expect([world.text(0, 512), world.load(511)]).toEqual([HUGE_W, 512]);
    world.protect(0, 512, PROT_READ);
    world.advise(0, 512, MADV_DONTNEED);
    expect([world.load(0), world.text(0, 512)]).toEqual([1, 'PMD 0-511 HUGE R']);
  });

  it('are mapped page by page where the mapping lies otherwise, of shared anonymous memory all of them', () => {
    const world = new FileMachine().collapsed();
    world.mapFile(2049, 500);
    expect(world.load(2049 + 7)).toBe(8);
    expect(world.text(2049, 500)).toBe('PTE 0-15 PRESENT W\nPTE 16-499 NONE');
    world.mapping.isAnonymous = true;
    world.advise(0, 512, MADV_DONTNEED);
    world.advise(0, 512, MADV_NOHUGEPAGE);
    world.fill(2, 1, 3);
    expect(world.text(0, 512)).toBe('PTE 0-511 PRESENT W');
    expect([world.mm.rss.shmem, world.content]).toEqual([16 + 512, CONTENT]);
    world.protect(0, 1, PROT_READ);
    world.advise(1, 511, MADV_DONTNEED);
    world.fill(2, 1, 3);
    expect(world.text(1, 511)).toBe('PTE 0 NONE\nPTE 1 PRESENT W\nPTE 2-510 NONE');
  });

  it('lose their entry with a part that is unmapped, given up or protected, and nothing else', () => {
    const world = new FileMachine().collapsed();
    world.advise(3, 2, MADV_DONTNEED);
    expect([world.text(0, 512), world.mm.rss.shmem]).toEqual(['PMD 0-511 NONE', 0]);
    expect(world.takeEvents()).toEqual(['CLEAR 3-5', 'CLEAR 0-512']);
    expect([world.content, world.text(0, 512)]).toEqual([CONTENT, HUGE_W]);
    world.protect(100, 10, PROT_READ);
    expect(world.text(0, 512)).toBe('PMD 0-511 NONE');
    expect(world.store(100, 1)).toBe('accerr');
    expect(world.content).toEqual(CONTENT);
    world.protect(0, 512, RW);
    expect(world.collapse()).toBe(0);
    world.run(vmMunmap(world.mm, BASE + 511 * PAGE, PAGE));
    expect(world.text(0, 512)).toBe('PMD 0-511 NONE');
    expect([world.load(0), world.load(511), world.order(511)]).toEqual([1, 'maperr', 9]);
  });

  it('get and lose the right to be written as a whole', () => {
    const world = new FileMachine().collapsed();
    world.protect(0, 512, PROT_READ);
    expect([world.text(0, 512), world.store(0, 5)]).toEqual(['PMD 0-511 HUGE R', 'accerr']);
    world.protect(0, 512, 0);
    expect([world.text(0, 512), world.load(0)]).toEqual(['PMD 0-511 HUGE PROTNONE', 'accerr']);
    world.protect(0, 512, RW);
    expect([world.text(0, 512), world.store(0, 1)]).toEqual([HUGE_W, 'none']);
    expect(world.content).toEqual(CONTENT);
  });

  it('are not copied by fork, and move with mremap', () => {
    const world = new FileMachine().collapsed();
    const child = world.fork();
    expect(child.pageTable.pmdTable(BASE / PAGE)).toBe(null);
    expect([world.load(7, child), world.text(0, 512, child)]).toEqual([8, HUGE_W]);
    world.fill(7, 1, 80, child);
    expect(world.load(7)).toBe(80);
    world.exit(child);
    const to = BASE + 4 * HUGE;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    const move = (addr: number, oldLen: number, newAddr: number) =>
      world.run(mremap(world.mm, { addr, oldLen, newLen: oldLen, flags, newAddr }));
    expect(move(BASE, HUGE, to)).toBe(to);
    expect([world.text(2048, 512), world.load(2048 + 7)]).toEqual([HUGE_W, 80]);
    expect(move(to, 8 * PAGE, BASE)).toBe(BASE);
    expect(world.text(2048, 512)).toBe('PMD 0-511 NONE');
    expect([world.load(7), world.load(2048 + 511)]).toEqual([80, 512]);
  });

  it('are single pages after truncation and holes in a part, which the rest survives', () => {
    const world = new FileMachine().collapsed();
    world.truncate(300);
    expect([world.load(7), world.load(299), world.load(300), world.order(0)]).toEqual([8, 0, 'sigbus', 0]);
    expect(world.mapping.pages.count).toBe(300);
    world.truncate(512);
    world.fill(511);
    expect(world.collapse()).toBe(0);
    world.punch(7, 100);
    expect([world.mapping.pages.count, world.order(0), world.content]).toEqual([412, 0, [1, 0, 512]]);
    expect(world.collapse()).toBe(0);
    world.punch(0, 512);
    expect([world.content, world.memory.allocator.freeFrames > 0]).toEqual([[0, 0, 0], true]);
    world.truncate(0);
    expect(world.mapping.pages.count).toBe(0);
  });

  it("are single pages after a hole of some bytes, and a length that is no page's", () => {
    const world = new FileMachine().collapsed();
    world.run(shmemPunchHole(world.memory, world.mapping, 7 * PAGE, 2));
    expect([world.order(0), world.content, world.mapping.pages.count]).toEqual([0, [1, 0, 512], 512]);
    expect(world.collapse()).toBe(0);
    world.run(shmemTruncate(world.memory, world.mapping, 511 * PAGE + 1));
    expect([world.order(0), world.content, world.mapping.pages.count]).toEqual([0, [1, 0, 0], 512]);
  });

  it('stay one folio, with zeroes, where a pin keeps them from being split', () => {
    const world = new FileMachine().collapsed();
    const pfns: number[] = [];
    world.run(
      (function* () {
        yield* world.mm.mmapLock.readLock();
        yield* getUserPages(world.mm, BASE, 1, FOLL.write, pfns);
        world.mm.mmapLock.readUnlock();
      })(),
      { checked: false },
    );
    world.run(shmemPunchHole(world.memory, world.mapping, 7 * PAGE, 100 * PAGE), { checked: false });
    world.run(shmemTruncate(world.memory, world.mapping, 300 * PAGE), { checked: false });
    folioPut(world.memory, pfns[0]!);
    world.check();
    expect([world.order(0), world.mapping.pages.count]).toEqual([9, 512]);
    // The file ends in it, and the entry does not: as in Linux.
    expect([world.content, world.text(0, 512)]).toEqual([[1, 0, 0], HUGE_W]);
    world.run(splitHugePagesAll(world.memory));
    expect([world.order(0), world.mapping.pages.count, world.load(511)]).toEqual([0, 300, 'sigbus']);
  });

  it('keep what was allocated behind the end when they are split', () => {
    const world = new FileMachine().collapsed();
    world.truncate(100);
    const place = { offset: 0, len: 200 * PAGE, keepsSize: true };
    world.run(shmemAllocate(world.memory, world.mapping, place));
    // Behind the end they are left alone until they are uptodate.
    expect(world.collapse()).toBe(-EINVAL);
    world.run(shmemAllocate(world.memory, world.mapping, place));
    expect(world.collapse()).toBe(0);
    expect(world.mapping.pages.count).toBe(512);
    world.run(splitHugePagesAll(world.memory));
    expect(world.mapping.pages.count).toBe(200);
    world.truncate(100);
    expect(world.mapping.pages.count).toBe(100);
  });

  it('go to swap in pieces, from every process, and come back', () => {
    const world = new FileMachine().collapsed();
    const other = world.newMm();
    world.mapFile(0, 512, { mm: other });
    expect(world.load(7, other)).toBe(8);
    world.advise(0, 512, MADV_PAGEOUT);
    expect([world.order(0), world.memory.swap.used]).toEqual([9, 0]);
    world.exit(other);
    world.advise(0, 512, MADV_PAGEOUT);
    expect([world.text(0, 512), world.memory.swap.used, world.mapping.pages.count]).toEqual([
      'PMD 0-511 NONE',
      512,
      512,
    ]);
    expect(world.content).toEqual(CONTENT);
    expect(world.collapse()).toBe(0);
    expect([world.memory.swap.used, world.content]).toEqual([0, CONTENT]);
    world.advise(100, 5, MADV_PAGEOUT);
    expect([world.order(0), world.content]).toEqual([0, CONTENT]);
  });

  it('stay where there is no swap, and are split where it is too small', () => {
    const world = new FileMachine({ swapBytes: 0 }).collapsed();
    world.advise(0, 512, MADV_PAGEOUT);
    expect([world.order(0), world.content]).toEqual([9, CONTENT]);
    const small = new FileMachine({ swapBytes: 16 * PAGE }).collapsed();
    small.advise(0, 512, MADV_PAGEOUT);
    expect([small.order(400), small.content]).toEqual([0, CONTENT]);
  });

  it('are read and written as the file, told of by mincore, and aged', () => {
    const world = new FileMachine().collapsed();
    const bytes = world.run(shmemFileReadIter(world.memory, world.mapping, { offset: 7 * PAGE, lenBytes: 4 }));
    expect([...bytes]).toEqual([8, 0, 0, 0]);
    expect(world.run(world.file.write(7 * PAGE - 1, Uint8Array.of(1, 2)))).toBe(2);
    expect(world.load(7)).toBe(2);
    world.advise(0, 512, MADV_DONTNEED);
    expect(world.run(doMincore(world.mm, BASE, 512)).vec).toEqual(Array(512).fill(1));
    world.load(0);
    expect(world.advise(0, 512, MADV_COLD)).toBe(0);
    expect(world.text(0, 512)).toBe(HUGE_W);
    expect(world.advise(0, 10, MADV_COLD)).toBe(0);
    expect([world.order(0), world.load(7)]).toEqual([0, 2]);
  });

  it('are pinned as a whole, and page by page where a device asks for it', () => {
    const world = new FileMachine().collapsed();
    const pfns: number[] = [];
    const get = (flags: number) =>
      world.run(
        (function* () {
          yield* world.mm.mmapLock.readLock();
          const got = yield* getUserPages(world.mm, BASE, 20, flags, pfns);
          world.mm.mmapLock.readUnlock();
          return got;
        })(),
        { checked: false },
      );
    expect(get(FOLL.write)).toBe(20);
    expect(pfns[19]).toBe(pfns[0]! + 19);
    for (const pfn of pfns.splice(0)) folioPut(world.memory, pfn);
    expect(get(FOLL.write | FOLL.splitPmd)).toBe(20);
    for (const pfn of pfns.splice(0)) folioPut(world.memory, pfn);
    world.check();
    expect(world.text(0, 20)).toBe('PTE 0-19 PRESENT W');
    expect([world.order(0), world.content]).toEqual([9, CONTENT]);
  });

  it('give a long-term pin of a private mapping a copy of the page', () => {
    const world = new FileMachine().collapsed();
    world.mapFile(1024, 512, { kind: MAP_PRIVATE });
    expect(world.load(1024)).toBe(1);
    const pfns: number[] = [];
    const pin = function* (mm: Mm) {
      yield* mm.mmapLock.readLock();
      const got = yield* pinUserPages(mm, BASE + 1024 * PAGE, 1, FOLL.longterm, pfns);
      mm.mmapLock.readUnlock();
      return got;
    };
    expect(world.run(pin(world.mm))).toBe(1);
    expect(world.memory.frames.isAnon(pfns[0]!)).toBe(true);
    unpinUserPages(world.memory, pfns, 1);
    expect([world.load(1024), world.load(1025)]).toEqual([1, 0]);
  });

  it('are not split into folios of another size, nor where somebody has a page', () => {
    const world = new FileMachine().collapsed();
    const part = { first: 0, end: 512, newOrder: 2 };
    world.run(splitHugePagesInFile(world.memory, world.mapping, part));
    expect(world.order(0)).toBe(9);
    const pfn = world.mapping.pages.get(7);
    folioGet(world.memory, pfn);
    world.run(splitHugePagesInFile(world.memory, world.mapping, { ...part, newOrder: 0 }), { checked: false });
    expect(world.order(0)).toBe(9);
    folioPut(world.memory, pfn);
    world.run(splitHugePagesInFile(world.memory, world.mapping, { ...part, newOrder: 0 }));
    expect([world.order(0), world.text(0, 512), world.content]).toEqual([0, 'PMD 0-511 NONE', CONTENT]);
    expect(world.memory.mthpStats.sumMthpStat(9, 'split')).toBe(1);
  });

  it('are served page by page: protected ones as small entries, those that are there as the file has them', () => {
    const world = new FileMachine().collapsed();
    const ctx = new UserfaultCtx(world.mm, 0, () => {});
    ctx.features = 0;
    const range = { start: BASE, end: BASE + HUGE };
    world.run(registerRange(ctx, range, VM.uffdMinor | VM.uffdWp));
    expect(world.text(0, 512)).toBe(HUGE_W);
    const fill = { mode: 'continue' as const, from: world.mm, source: 0, wp: false, start: BASE, end: BASE + 3 * PAGE };
    expect(world.run(mfillAtomic(ctx, fill))).toBe(-EEXIST);
    expect(world.run(mwriteprotectRange(ctx, range, true))).toBe(0);
    expect(world.text(0, 512)).toBe('PTE 0-511 MARKER');
    expect(world.collapse()).toBe(-EINVAL);
    expect(world.run(mfillAtomic(ctx, fill))).toBe(3 * PAGE);
    expect(world.text(0, 4)).toBe('PTE 0-2 PRESENT W\nPTE 3 MARKER');
    expect([world.load(0), world.order(0), world.mm.rss.shmem]).toEqual([1, 9, 3]);
  });

  it('are populated at once, and gone with the last process and the file', () => {
    const world = new FileMachine().collapsed();
    world.advise(0, 512, MADV_DONTNEED);
    expect(world.advise(0, 512, MADV_POPULATE_READ)).toBe(0);
    expect(world.text(0, 512)).toBe(HUGE_W);
    world.exit(world.mm);
    expect(world.mm.rss.shmem).toBe(0);
    world.truncate(0);
    expect(world.memory.allocator.freeFrames).toBe(world.memory.frames.systemFrames - 2);
  });
});
