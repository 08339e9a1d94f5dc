import { describe, expect, it } from 'vitest';
import {
  isUnmigratableVma,
  MigratePfn,
  MigrateSelect,
  type MigrateVma,
  migrateVmaFinalize,
  migrateVmaSetup,
} from '../../../../driver/hmm/index.js';
import { folioLock, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE, PG } from '../../../../driver/mm/frames/frames.js';
import { Kind, Pte } from '../../../../driver/mm/tables/entry.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EINVAL } from '../../../../uapi/errno.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { Fixture, START } from '../fixture.js';

const { valid, migrate: MIGRATE, write: WRITE } = MigratePfn;
const TAKEN = valid | MIGRATE;

describe.each(EQUAL_PATHS)('migrate_vma_setup, %s path', (path) => {
  /** Setup, `look`, finalize (nothing has a destination, so all is restored). */
  function setup(f: Fixture, migrate: MigrateVma, look: () => void): void {
    f.locked(
      (function* () {
        expect(yield* migrateVmaSetup(migrate)).toBe(0);
        look();
        yield* migrateVmaFinalize(migrate);
      })(),
    );
  }

  /** Entry 0 as `map` makes it: the src word, and the entry between setup and finalize. */
  function collected(select: number, map: (f: Fixture) => void): string {
    const f = new Fixture(1);
    map(f);
    const before = f.text();
    const migrate = f.migration(path, select);
    let result = '';
    setup(f, migrate, () => {
      const word = migrate.src[0]!;
      result = `${word & ~valid ? word : 0} ${f.text()} c${migrate.cpages}`;
    });
    expect(f.text()).toBe(before);
    return result;
  }

  const SYSTEM = MigrateSelect.system;
  const PRIVATE = MigrateSelect.devicePrivate;
  const COHERENT = MigrateSelect.deviceCoherent;

  it.each([
    ['no table', SYSTEM, () => {}, `${MIGRATE} PUD 0 NONE c1`],
    ['no table, whatever is selected', PRIVATE, () => {}, `${MIGRATE} PUD 0 NONE c1`],
    ['NONE', SYSTEM, (f: Fixture) => f.setEntry(0, Kind.none), `${MIGRATE} PTE 0 NONE c1`],
    ['ZERO', SYSTEM, (f: Fixture) => f.mapZero(0), `${MIGRATE} PTE 0 ZERO c1`],
    ['ZERO, private selected', PRIVATE, (f: Fixture) => f.mapZero(0), '0 PTE 0 ZERO c0'],
    ['SWAP', SYSTEM, (f: Fixture) => f.setEntry(0, Kind.swap, 1), '0 PTE 0 SWAP c0'],
    ['MARKER', SYSTEM, (f: Fixture) => f.setEntry(0, Kind.marker), '0 PTE 0 MARKER c0'],
    ['HWPOISON', SYSTEM, (f: Fixture) => f.setEntry(0, Kind.hwpoison), '0 PTE 0 HWPOISON c0'],
    ['PRESENT W', SYSTEM, (f: Fixture) => f.mapPage(0), `${TAKEN | WRITE} PTE 0 MIG-W c1`],
    ['PRESENT R exclusive', SYSTEM, (f: Fixture) => f.mapPage(0, { write: false }), `${TAKEN} PTE 0 MIG-RX c1`],
    [
      'PRESENT R shared',
      SYSTEM,
      (f: Fixture) => {
        f.memory.frames.clearFlags(f.mapPage(0, { write: false }), PG.anonExclusive);
      },
      `${TAKEN} PTE 0 MIG-R c1`,
    ],
    ['PRESENT, private selected', PRIVATE, (f: Fixture) => f.mapPage(0), '0 PTE 0 PRESENT W c0'],
    ['own DPRIV W', PRIVATE, (f: Fixture) => f.mapPage(0, { device: f.device }), `${TAKEN | WRITE} PTE 0 MIG-W c1`],
    [
      'own DPRIV R',
      PRIVATE,
      (f: Fixture) => f.mapPage(0, { device: f.device, write: false }),
      `${TAKEN} PTE 0 MIG-RX c1`,
    ],
    ['own DPRIV, system selected', SYSTEM, (f: Fixture) => f.mapPage(0, { device: f.device }), '0 PTE 0 DPRIV-W c0'],
    ['foreign DPRIV', PRIVATE, (f: Fixture) => f.mapPage(0, { device: f.other }), '0 PTE 0 DPRIV-W c0'],
    [
      'coherent of another device',
      COHERENT,
      (f: Fixture) => f.mapPage(0, { device: f.coherent }),
      '0 PTE 0 PRESENT W c0',
    ],
    ['coherent, system selected', SYSTEM, (f: Fixture) => f.mapPage(0, { device: f.coherent }), '0 PTE 0 PRESENT W c0'],
    [
      'page without mapping',
      SYSTEM,
      (f: Fixture) => {
        f.memory.frames.setMapping(f.mapPage(0), 0);
      },
      '0 PTE 0 PRESENT W c0',
    ],
    [
      'pinned page',
      SYSTEM,
      (f: Fixture) => {
        f.memory.frames.setPincount(f.mapPage(0), 1);
      },
      '0 PTE 0 PRESENT W c0',
    ],
    [
      'page with a reference of somebody',
      SYSTEM,
      (f: Fixture) => {
        f.memory.frames.addRefcount(f.mapPage(0), 1);
      },
      '0 PTE 0 PRESENT W c0',
    ],
    [
      'page off the LRU',
      SYSTEM,
      (f: Fixture) => {
        f.memory.frames.clearFlags(f.mapPage(0), PG.lru);
      },
      '0 PTE 0 PRESENT W c0',
    ],
  ] as const)('%s', (_name, select, map, expected) => {
    expect(collected(select, map as (f: Fixture) => void)).toBe(expected);
  });

  it('takes a coherent page of the owner', () => {
    const f = new Fixture(1);
    f.mapPage(0, { device: f.coherent });
    const migrate = f.migration(path, COHERENT, { owner: f.coherent.owner });
    setup(f, migrate, () => {
      expect(f.text()).toBe('PTE 0 MIG-W');
      expect(migrate.src[0]).toBe(TAKEN | WRITE);
    });
  });

  it('leaves a page alone that somebody has locked, and does not wait', () => {
    const f = new Fixture(2);
    const pfn = f.mapPage(0);
    f.mapPage(1);
    const migrate = f.migration(path, SYSTEM);
    f.locked(
      (function* () {
        yield* folioLock(f.memory, pfn);
        expect(yield* migrateVmaSetup(migrate)).toBe(0);
        expect([...migrate.src]).toEqual([0, TAKEN | WRITE]);
        expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 MIG-W');
        folioUnlock(f.memory, pfn);
        yield* migrateVmaFinalize(migrate);
      })(),
    );
    expect(f.memory.frames.refcount(pfn)).toBe(1);
  });

  it('holds each page by its lock and one reference, and gives everything back', () => {
    const f = new Fixture(3);
    const { frames } = f.memory;
    const pfns = [f.mapPage(0), f.mapPage(1, { write: false }), f.mapPage(2, { dirty: false })];
    const before = pfns.map((pfn) => frames.flags(pfn));
    const migrate = f.migration(path, SYSTEM);
    setup(f, migrate, () => {
      for (const pfn of pfns) {
        expect(frames.refcount(pfn)).toBe(1);
        expect(frames.mapcount(pfn)).toBe(0);
        expect(frames.hasFlags(pfn, PG.locked)).toBe(true);
        expect(frames.hasFlags(pfn, PG.lru | PG.anonExclusive)).toBe(false);
      }
      expect(migrate.cpages).toBe(3);
      expect(migrate.npages).toBe(3);
    });
    expect(pfns.map((pfn) => frames.flags(pfn) & ~PG.dirty)).toEqual(before.map((flags) => flags! & ~PG.dirty));
    expect(pfns.map((pfn) => frames.refcount(pfn))).toEqual([1, 1, 1]);
    const leaf = f.mm.pageTable.pteTable(START / PAGE_SIZE)!;
    expect(leaf.lo(0) & (Pte.dirty | Pte.young)).toBe(Pte.dirty | Pte.young);
    expect(leaf.lo(2) & Pte.dirty).toBe(0);
  });

  it('takes a page of memory that may be written but not read, as a CPU fault there must', () => {
    const f = new Fixture(1);
    f.vma.flags &= ~VM.read;
    f.mapPage(0, { device: f.device });
    setup(f, f.migration(path, PRIVATE), () => expect(f.text()).toBe('PTE 0 MIG-W'));
  });

  it('sees holes only in anonymous memory', () => {
    const f = new Fixture(1);
    f.vma.file = {
      mapping: null,
      get: () => {},
      *put() {},
      *fallocate() {
        return 0;
      },
    };
    const migrate = f.migration(path, SYSTEM);
    setup(f, migrate, () => expect([migrate.src[0], migrate.cpages, migrate.npages]).toEqual([0, 0, 1]));
  });

  it('refuses arguments that make no sense', () => {
    const f = new Fixture(4);
    const attempt = (change: Partial<MigrateVma>): number => {
      const migrate = Object.assign(f.migration(path, SYSTEM), change);
      return f.locked(migrateVmaSetup(migrate));
    };
    expect(attempt({ vma: null })).toBe(-EINVAL);
    expect(attempt({ end: START })).toBe(-EINVAL);
    expect(attempt({ start: START - PAGE_SIZE })).toBe(-EINVAL);
    expect(attempt({ end: START + 5 * PAGE_SIZE })).toBe(-EINVAL);
    expect(attempt({ faultPfn: 100 })).toBe(-EINVAL);
    f.vma.flags |= VM.mixedmap;
    expect(isUnmigratableVma(f.vma)).toBe(true);
    expect(attempt({})).toBe(-EINVAL);
  });

  it('walks the page table once', () => {
    const f = new Fixture(4);
    f.mapPage(2);
    setup(f, f.migration(path, SYSTEM), () => expect(f.memory.stats.walks).toBe(1));
    expect(f.memory.stats.pteEntries).toBe(4);
  });
});
