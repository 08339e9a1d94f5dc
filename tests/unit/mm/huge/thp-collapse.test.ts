import { describe, expect, it } from 'vitest';
import { folioGet, folioLock, folioPut, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { findPmdOrThpOrNone } from '../../../../driver/mm/huge/collapse-control.js';
import { removeMigrationPtes, tryToMigrate } from '../../../../driver/mm/tables/migration-entries.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { EAGAIN, EINVAL } from '../../../../uapi/errno.js';
import { MADV_COLLAPSE, MADV_PAGEOUT } from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { runTask } from '../../helpers.js';
import { BASE, HUGE, PAGE, TestMachine } from '../../test-machine.js';

describe('MADV_COLLAPSE', () => {
  it('makes one huge page of small ones and holes', () => {
    const world = new TestMachine({ checked: true });
    world.map(0, 512);
    world.store(0, 1);
    world.store(7, 8);
    world.load(9);
    world.takeEvents();
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(0);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
    expect([0, 1, 7, 9].map((page) => world.load(page))).toEqual([1, 0, 8, 0]);
    expect(world.takeEvents()).toEqual(['CLEAR 0-512']);
    expect(world.mm.rss.anon).toBe(512);
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(0);
  });

  it('is -EINVAL for memory that was never touched, is read only, or does not fit', () => {
    const world = new TestMachine({ checked: true });
    world.map(0, 1024);
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(-EINVAL);
    world.load(0);
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(-EINVAL);
    world.store(0, 1);
    expect(world.advise(0, 1024, MADV_COLLAPSE)).toBe(-EINVAL);
    expect(world.advise(1, 510, MADV_COLLAPSE)).toBe(-EINVAL);
    expect(world.advise(0, 511, MADV_COLLAPSE)).toBe(0);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
    world.map(2049, 100);
    world.store(2049, 1);
    expect(world.advise(2049, 100, MADV_COLLAPSE)).toBe(-EINVAL);
  });

  it('takes 2 MiB that migrate for a huge page, and is -EINVAL where a device has them', () => {
    const world = new DeviceMachine({ profile: '7.3', thpEnabled: 'madvise' });
    world.mapHuge(0, 512);
    world.fill(0);
    const { memory, mm } = world;
    const head = pfnAt(mm, BASE / PAGE);
    const found = world.run(
      (function* () {
        folioGet(memory, head);
        yield* folioLock(memory, head);
        yield* tryToMigrate(memory, head);
        const what = [world.text(0, 512), findPmdOrThpOrNone(mm, BASE)];
        yield* removeMigrationPtes(memory, head, head);
        folioUnlock(memory, head);
        folioPut(memory, head);
        return what;
      })(),
    );
    expect(found).toEqual(['PMD 0-511 PMD-MIG-W', 'pmd_mapped']);
    world.command(world.open(0), 'MIGRATE_TO_DEV', 0, 512);
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(-EINVAL);
    expect(world.text(0, 512)).toBe('PMD 0-511 PMD-DPRIV-W');
    world.check();
  });

  it('is -EAGAIN while a page is referenced', () => {
    const world = new TestMachine({ checked: true });
    world.map(0, 512);
    world.store(0, 1);
    const pfn = pfnAt(world.mm, BASE / PAGE);
    folioGet(world.memory, pfn);
    expect(runTask(world.kernel, doMadvise(world.mm, BASE, HUGE, MADV_COLLAPSE))).toBe(-EAGAIN);
    folioPut(world.memory, pfn);
    expect(world.text(0, 1)).toBe('PTE 0 PRESENT W');
  });

  it('brings swapped pages back', () => {
    const world = new TestMachine({ checked: true, swapBytes: 2 ** 20 });
    world.map(0, 512);
    for (const page of [0, 1]) world.store(page, page + 1);
    world.advise(1, 1, MADV_PAGEOUT);
    expect(world.text(0, 3)).toBe('PTE 0 PRESENT W\nPTE 1 SWAP\nPTE 2 NONE');
    expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(0);
    expect(world.load(1)).toBe(2);
    expect(world.memory.swap.used).toBe(0);
  });
});
