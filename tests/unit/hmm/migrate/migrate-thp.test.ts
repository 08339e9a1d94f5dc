import { describe, expect, it } from 'vitest';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  MigrateSelect,
  migrateVmaFinalize,
  migrateVmaSetup,
} from '../../../../driver/hmm/index.js';
import { folioAddLru, folioLock, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { PG } from '../../../../driver/mm/frames/frames.js';
import { folioAddNewAnonRmapPmd } from '../../../../driver/mm/frames/rmap.js';
import { Kind, Pte } from '../../../../driver/mm/tables/entry.js';
import { pmdIndex } from '../../../../driver/mm/tables/page-table.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { Fixture, START } from '../fixture.js';

/** Maps a writable 2 MiB page at START. No page of it is all zero: a split would replace that by the zero page. */
function mapHuge(f: Fixture): number {
  const { memory, mm, vma } = f;
  const head = memory.allocator.allocateHuge();
  memory.frames.setFlags(head, PG.uptodate);
  memory.contentChanges(head, 512);
  for (let i = 0; i < 512; i++) memory.words[(head + i) * 1024] = i + 1;
  folioAddNewAnonRmapPmd(memory, head, vma, START);
  folioAddLru(memory, head);
  mm.rss.anon += 512;
  const pmd = mm.pageTable.pmdTableAlloc(START / 4096);
  const i = pmdIndex(START / 4096);
  pmd.set(i, Kind.present | Pte.huge | Pte.write | Pte.dirtied | Pte.young, head);
  return head;
}

describe.each(EQUAL_PATHS)('collecting from a huge page, %s path', (path) => {
  it('splits it, then takes single pages', () => {
    const f = new Fixture(512);
    const head = mapHuge(f);
    const migrate = f.migration(path, MigrateSelect.system, { npages: 4 });
    f.locked(
      (function* () {
        expect(yield* migrateVmaSetup(migrate)).toBe(0);
        expect(migrate.cpages).toBe(4);
        expect([...migrate.srcPfn]).toEqual([head, head + 1, head + 2, head + 3]);
        expect(f.text()).toBe('PTE 0-3 MIG-W\nPTE 4-511 PRESENT W');
        yield* migrateVmaFinalize(migrate);
      })(),
    );
    expect(f.text()).toBe('PTE 0-511 PRESENT W');
    expect([f.memory.frames.order(head), f.memory.frames.refcount(head + 511)]).toEqual([0, 1]);
    expect(f.memory.stats.walks).toBe(1);
  });

  it('leaves its part alone when it is locked or referenced', () => {
    const f = new Fixture(512);
    const head = mapHuge(f);
    const migrate = f.migration(path, MigrateSelect.system);
    f.locked(
      (function* () {
        yield* folioLock(f.memory, head);
        yield* migrateVmaSetup(migrate);
        expect([migrate.cpages, migrate.npages]).toEqual([0, 512]);
        folioUnlock(f.memory, head);
        expect(f.memory.frames.refcount(head)).toBe(1);
        f.memory.frames.addRefcount(head, 1);
        yield* migrateVmaSetup(migrate);
        expect([migrate.cpages, migrate.npages]).toEqual([0, 512]);
        expect(f.memory.frames.refcount(head)).toBe(2);
      })(),
    );
    expect(f.memory.frames.order(head)).toBe(9);
  });

  it('keeps the reference of a failed attempt with quirk Q7', () => {
    const f = new Fixture(512);
    const head = mapHuge(f);
    const migrate = f.migration(path, MigrateSelect.system);
    migrate.leaksThpReference = true;
    f.locked(
      (function* () {
        yield* folioLock(f.memory, head);
        yield* migrateVmaSetup(migrate);
        folioUnlock(f.memory, head);
      })(),
    );
    expect(f.memory.frames.refcount(head)).toBe(2);
  });
});

describe('hmm_range_fault on a huge page', () => {
  it('reports it with its order', () => {
    const f = new Fixture(512);
    const head = mapHuge(f);
    const range: HmmRange = {
      notifier: null,
      notifierSeq: 0,
      start: START + 4096,
      end: START + 3 * 4096,
      flags: new Uint32Array(2),
      pfns: new Uint32Array(2),
      defaultFlags: HmmPfn.reqFault,
      pfnFlagsMask: 0,
      devPrivateOwner: null,
      migrate: null,
    };
    f.mm.notifier = null;
    const notified = { ...range, notifier: { mm: f.mm, invalidateSeq: 0 } as unknown as HmmRange['notifier'] };
    expect(f.locked(hmmRangeFault(notified))).toBe(0);
    const word = HmmPfn.valid | HmmPfn.write | (9 << HmmPfn.orderShift);
    expect([...range.flags]).toEqual([word, word]);
    expect([...range.pfns]).toEqual([head + 1, head + 2]);
    expect(f.text()).toBe('PMD 0-511 HUGE W');
  });
});
