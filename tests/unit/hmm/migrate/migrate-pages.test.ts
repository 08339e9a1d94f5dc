import { describe, expect, it } from 'vitest';
import {
  MigratePfn,
  MigrateSelect,
  migrateDeviceCoherentFolio,
  migrateDeviceFinalize,
  migrateDevicePages,
  migrateDeviceRange,
  migrateVmaFinalize,
  migrateVmaPages,
  migrateVmaSetup,
} from '../../../../driver/hmm/index.js';
import { folioGet, folioPut, folioSetLocked, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE, PG } from '../../../../driver/mm/frames/frames.js';
import type { NotifierRange } from '../../../../driver/mm/notifier.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EBUSY } from '../../../../uapi/errno.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { Fixture, START } from '../fixture.js';

const SYSTEM = MigrateSelect.system;

/** Records every invalidation of the fixture's mm. */
function recordEvents(f: Fixture): string[] {
  const events: string[] = [];
  const line = (what: string, { event, start, end, owner }: NotifierRange): string =>
    `${what} ${event} ${(start - START) / PAGE_SIZE}-${(end - START) / PAGE_SIZE}${owner === f.device.owner ? ' owner' : ''}`;
  f.mm.notifier = {
    *invalidateRangeStart(range) {
      events.push(line('start', range));
      return 0;
    },
    invalidateRangeEnd: (range) => events.push(line('end', range)),
    *release() {},
  };
  return events;
}

describe.each(EQUAL_PATHS)('a migration, %s path', (path) => {
  it('goes through the entries of the specification, stage by stage', () => {
    const f = new Fixture(4);
    const old = f.mapPage(0);
    f.mapPage(1, { write: false });
    f.mapZero(2);
    const migrate = f.migration(path, SYSTEM);
    const texts = [f.text()];
    f.locked(
      (function* () {
        yield* migrateVmaSetup(migrate);
        texts.push(f.text());
        f.allocateDst(migrate, f.device);
        yield* migrateVmaPages(migrate);
        texts.push(f.text());
        yield* migrateVmaFinalize(migrate);
        texts.push(f.text());
      })(),
    );
    expect(texts).toEqual([
      'PTE 0 PRESENT W\nPTE 1 PRESENT R\nPTE 2 ZERO\nPTE 3 NONE',
      'PTE 0 MIG-W\nPTE 1 MIG-RX\nPTE 2 ZERO\nPTE 3 NONE',
      'PTE 0 MIG-W\nPTE 1 MIG-RX\nPTE 2-3 DPRIV-W',
      'PTE 0 DPRIV-W\nPTE 1 DPRIV-R\nPTE 2-3 DPRIV-W',
    ]);
    const { frames } = f.memory;
    expect(frames.refcount(old)).toBe(0);
    for (let i = 0; i < 4; i++) {
      const pfn = migrate.dstPfn[i]!;
      expect([frames.refcount(pfn), frames.mapcount(pfn), frames.hasFlags(pfn, PG.locked)]).toEqual([1, 1, false]);
      expect(frames.index(pfn)).toBe(START / PAGE_SIZE + i);
      expect(frames.isAnonExclusive(pfn)).toBe(true);
    }
    expect(f.mm.rss.anon).toBe(4);
    expect(f.memory.stats.walks).toBe(1);
  });

  it('tells the device of the whole range, and again from the first hole on', () => {
    const f = new Fixture(4);
    f.mapPage(0);
    f.mapPage(3);
    const events = recordEvents(f);
    f.migrate(f.migration(path, SYSTEM), f.device);
    expect(events).toEqual([
      'start MIGRATE 0-4 owner',
      'end MIGRATE 0-4 owner',
      'start MIGRATE 1-4 owner',
      'end MIGRATE 1-4 owner',
    ]);
  });

  it('brings pages back, with their write permission', () => {
    const f = new Fixture(2);
    f.mapPage(0, { device: f.device });
    f.mapPage(1, { device: f.device, write: false });
    const migrate = f.migration(path, MigrateSelect.devicePrivate);
    f.migrate(migrate, null);
    expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 PRESENT R');
    expect(f.device.freed.length).toBe(2);
    expect(f.memory.frames.hasFlags(migrate.dstPfn[0]!, PG.lru)).toBe(true);
  });

  it('restores an entry for which the driver has no destination', () => {
    const f = new Fixture(2);
    const pfn = f.mapPage(0);
    f.mapPage(1);
    const migrate = f.migration(path, SYSTEM);
    f.locked(
      (function* () {
        yield* migrateVmaSetup(migrate);
        f.allocateDst(migrate, f.device);
        const unused = migrate.dstPfn[0]!;
        folioUnlock(f.memory, unused);
        folioPut(f.memory, unused);
        migrate.dst[0] = migrate.dstPfn[0] = 0;
        yield* migrateVmaPages(migrate);
        yield* migrateVmaFinalize(migrate);
      })(),
    );
    expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 DPRIV-W');
    expect(migrate.src[0]! & MigratePfn.migrate).toBe(0);
    expect(f.memory.frames.refcount(pfn)).toBe(1);
    expect(f.memory.frames.hasFlags(pfn, PG.lru)).toBe(true);
  });

  it('does not move a page that got a reference after setup', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0);
    const migrate = f.migration(path, SYSTEM);
    f.locked(
      (function* () {
        yield* migrateVmaSetup(migrate);
        f.allocateDst(migrate, f.device);
        folioGet(f.memory, pfn);
        yield* migrateVmaPages(migrate);
        yield* migrateVmaFinalize(migrate);
        folioPut(f.memory, pfn);
      })(),
    );
    expect(f.text()).toBe('PTE 0 PRESENT W');
    expect(f.device.freed).toEqual([migrate.dstPfn[0]]);
  });

  it('gives a destination back when somebody faulted into the hole first', () => {
    const f = new Fixture(1);
    const migrate = f.migration(path, SYSTEM);
    f.locked(
      (function* () {
        yield* migrateVmaSetup(migrate);
        f.allocateDst(migrate, f.device);
        f.mapPage(0);
        yield* migrateVmaPages(migrate);
        expect(migrate.src[0]).toBe(0);
        yield* migrateVmaFinalize(migrate);
      })(),
    );
    expect(f.text()).toBe('PTE 0 PRESENT W');
    expect(f.device.freed).toEqual([migrate.dstPfn[0]]);
  });

  it('fills holes of read-only memory read only, and coherent holes present and dirty', () => {
    const f = new Fixture(1);
    f.vma.flags &= ~VM.write;
    f.migrate(f.migration(path, SYSTEM), f.device);
    expect(f.text()).toBe('PTE 0 DPRIV-R');
    const g = new Fixture(1);
    g.migrate(g.migration(path, SYSTEM), g.coherent);
    expect(g.text()).toBe('PTE 0 PRESENT W');
  });

  it('moves the page of a fault, which holds one reference more', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0, { device: f.device });
    folioGet(f.memory, pfn);
    f.migrate(f.migration(path, MigrateSelect.devicePrivate, { faultPfn: pfn }), null);
    expect(f.text()).toBe('PTE 0 PRESENT W');
    expect(f.memory.frames.refcount(pfn)).toBe(1);
    expect(f.memory.frames.hasFlags(pfn, PG.locked)).toBe(false);
  });

  it('keeps a private page where it is when another fault holds a reference too', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0, { device: f.device });
    folioGet(f.memory, pfn, 2);
    f.migrate(f.migration(path, MigrateSelect.devicePrivate, { faultPfn: pfn }), null);
    expect(f.text()).toBe('PTE 0 DPRIV-W');
    expect(f.memory.frames.refcount(pfn)).toBe(3);
  });
});

describe('a migration by pfn', () => {
  it('takes the pages in use, whoever maps them, and keeps their write permission', () => {
    const f = new Fixture(2);
    const first = f.mapPage(0, { device: f.device });
    f.mapPage(1, { device: f.device, write: false });
    const npages = 4;
    const arrays = {
      src: new Uint32Array(npages),
      srcPfn: new Uint32Array(npages),
      dst: new Uint32Array(npages),
      dstPfn: new Uint32Array(npages),
      npages,
    };
    f.run(
      (function* () {
        yield* migrateDeviceRange(f.memory, arrays, first - 3);
        expect([...arrays.srcPfn]).toEqual([0, 0, first - 1, first]);
        expect(f.text()).toBe('PTE 0 MIG-W\nPTE 1 MIG-RX');
        for (const i of [2, 3]) {
          const pfn = f.memory.allocator.allocate();
          folioSetLocked(f.memory, pfn);
          arrays.dstPfn[i] = pfn;
          arrays.dst[i] = MigratePfn.valid;
        }
        yield* migrateDevicePages(f.memory, arrays);
        yield* migrateDeviceFinalize(f.memory, arrays);
      })(),
    );
    expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 PRESENT R');
    expect(f.device.freed).toEqual([first - 1, first]);
  });

  it('moves a coherent page for a long-term pin and consumes the reference', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0, { device: f.coherent });
    folioGet(f.memory, pfn);
    expect(f.run(migrateDeviceCoherentFolio(f.memory, pfn))).toBe(0);
    expect(f.coherent.freed).toEqual([pfn]);
    const now = f.mm.pageTable.pteTable(START / PAGE_SIZE)!.hi(0);
    expect(f.memory.words[(now * PAGE_SIZE) / 4]).toBe(100);
  });

  it('answers -EBUSY for a coherent page that somebody else uses', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0, { device: f.coherent });
    folioGet(f.memory, pfn, 3);
    expect(f.run(migrateDeviceCoherentFolio(f.memory, pfn))).toBe(-EBUSY);
    expect(f.memory.frames.refcount(pfn)).toBe(3);
    expect(f.text()).toBe('PTE 0 PRESENT W');
  });
});
