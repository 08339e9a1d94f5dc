// An error at each entry of a range that is walked for a migration: what was prepared before it is as it was.

import { describe, expect, it } from 'vitest';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  type IntervalNotifier,
  type IntervalNotifierOps,
  MigrateSelect,
  MigrateVma,
  migrateVmaSetup,
  migrationPath,
  mmuIntervalNotifierInsert,
  mmuIntervalReadBegin,
  mmuIntervalSetSeq,
} from '../../../../../driver/hmm/index.js';
import { PAGE_SIZE, PG } from '../../../../../driver/mm/frames/frames.js';
import { checkInvariants } from '../../../../../driver/mm/invariants.js';
import { Kind } from '../../../../../driver/mm/tables/entry.js';
import { pteIndex } from '../../../../../driver/mm/tables/page-table.js';
import { pfnAt } from '../../../../../driver/mm/tables/page-table-text.js';
import { VM } from '../../../../../driver/mm/vmas/vm-flags.js';
import { EBUSY, EFAULT, EPERM, ERANGE } from '../../../../../uapi/errno.js';
import { Fixture, START } from '../../fixture.js';

const NPAGES = 8;
const BAD_PAGES = [...Array(NPAGES).keys()];

/** Hears of everything but the device's own migrations, as the dmirror device does. */
function listener(f: Fixture): IntervalNotifierOps {
  return {
    *invalidate(interval: IntervalNotifier, range, curSeq) {
      if (range.event !== 'MIGRATE' || range.owner !== f.device.owner) mmuIntervalSetSeq(interval, curSeq);
      return true;
    },
  };
}

/** Every bit of the entries, and every count and flag of the pages behind them. */
function everything(f: Fixture): string {
  const { frames } = f.memory;
  const lines: string[] = [];
  for (let page = 0; page < NPAGES; page++) {
    const vpn = START / PAGE_SIZE + page;
    const leaf = f.mm.pageTable.pteTable(vpn);
    const i = pteIndex(vpn);
    const entry = leaf === null ? '0 0' : `${leaf.lo(i)} ${leaf.hi(i)}`;
    const pfn = pfnAt(f.mm, vpn);
    const counts = pfn === 0 ? '' : [frames.refcount(pfn), frames.mapcount(pfn), frames.flags(pfn)].join(' ');
    const word = pfn === 0 ? '' : f.memory.words[(pfn * PAGE_SIZE) / 4];
    lines.push(`${page}: ${entry} | ${counts} | ${word}`);
  }
  return lines.join('\n');
}

interface Walk {
  /** Request bits of the page that fails, and of all others. */
  readonly bad?: { readonly page: number; readonly request: number };
  readonly defaultFlags?: number;
}

/** One call over the range with a fresh sequence number; the words it leaves behind. */
function walk(f: Fixture, { bad, defaultFlags = HmmPfn.reqMigrate }: Walk): { error: number; words: number[] } {
  const length = NPAGES * PAGE_SIZE;
  const notifier = f.run(mmuIntervalNotifierInsert(f.mm, { start: START, length, ops: listener(f) }));
  if (typeof notifier === 'number') throw new Error('no notifier');
  const flags = new Uint32Array(NPAGES);
  if (bad !== undefined) flags[bad.page] = bad.request;
  const range: HmmRange = {
    notifier,
    notifierSeq: f.run(mmuIntervalReadBegin(notifier)),
    start: START,
    end: START + length,
    flags,
    pfns: new Uint32Array(NPAGES),
    defaultFlags,
    pfnFlagsMask: bad === undefined ? 0 : HmmPfn.reqFault | HmmPfn.reqWrite,
    devPrivateOwner: f.device.owner,
    migrate: new MigrateVma(NPAGES, migrationPath('unified')).request({
      vma: null,
      start: 0,
      end: 0,
      flags: MigrateSelect.system,
      pgmapOwner: f.device.owner,
    }),
  };
  const error = f.locked(hmmRangeFault(range));
  // Whoever left an invalidation open would make this wait for ever.
  f.run(mmuIntervalReadBegin(notifier));
  return { error, words: [...flags, ...range.pfns] };
}

/** Every other one dirty, and marked so already, as preparing a page marks it. */
function mapPages(f: Fixture, count: number, options: { write?: boolean } = {}): void {
  for (let page = 0; page < count; page++) {
    const dirty = page % 2 === 0;
    const pfn = f.mapPage(page, { ...options, dirty });
    if (dirty) f.memory.frames.setFlags(pfn, PG.dirty);
  }
}

/** The error is this one, and nothing else has happened. */
function expectUndone(f: Fixture, error: number, options: Walk): void {
  const before = everything(f);
  expect(walk(f, options)).toEqual({ error, words: Array(2 * NPAGES).fill(0) });
  expect(everything(f)).toBe(before);
  expect(f.memory.stats.walks).toBe(1);
}

describe.each(BAD_PAGES)('with prepared entries before page %i', (page) => {
  it('-EFAULT for a page that is broken leaves them as they were', () => {
    const f = new Fixture(NPAGES);
    mapPages(f, page);
    f.setEntry(page, Kind.hwpoison);
    expectUndone(f, -EFAULT, { bad: { page, request: HmmPfn.reqFault } });
  });

  it('-EFAULT for a gap leaves them as they were', () => {
    if (page === 0) return;
    const f = new Fixture(page);
    mapPages(f, page);
    expectUndone(f, -EFAULT, { defaultFlags: HmmPfn.reqFault | HmmPfn.reqMigrate });
    checkInvariants(f.memory);
  });

  it('-ERANGE for a gap that nobody wants to be faulted in, and for a second vma', () => {
    if (page === 0) return;
    const f = new Fixture(page);
    mapPages(f, page);
    expectUndone(f, -ERANGE, {});
    f.addVma(START + page * PAGE_SIZE, START + NPAGES * PAGE_SIZE);
    f.memory.stats.reset();
    expectUndone(f, -ERANGE, {});
    checkInvariants(f.memory);
  });

  it('-ERANGE for a second vma, though it can not be read either', () => {
    if (page === 0) return;
    const f = new Fixture(page);
    mapPages(f, page);
    f.addVma(START + page * PAGE_SIZE, START + NPAGES * PAGE_SIZE, 0);
    expectUndone(f, -ERANGE, { defaultFlags: HmmPfn.reqFault | HmmPfn.reqMigrate });
    checkInvariants(f.memory);
  });

  it('-EPERM for a write to read-only memory leaves them as they were', () => {
    const f = new Fixture(NPAGES);
    f.vma.flags &= ~VM.write;
    mapPages(f, NPAGES, { write: false });
    expectUndone(f, -EPERM, { bad: { page, request: HmmPfn.reqFault | HmmPfn.reqWrite } });
    checkInvariants(f.memory);
  });

  it('-EFAULT without memory leaves them as they were (6.12 has no -ENOMEM here)', () => {
    const f = new Fixture(NPAGES);
    mapPages(f, page);
    while (f.memory.allocator.allocate() !== 0);
    expectUndone(f, -EFAULT, { bad: { page, request: HmmPfn.reqFault | HmmPfn.reqWrite } });
  });

  it('-EBUSY when the fault itself invalidates the range', () => {
    const f = new Fixture(NPAGES);
    mapPages(f, page);
    f.mapZero(page);
    const before = everything(f).split('\n');
    const { error, words } = walk(f, { bad: { page, request: HmmPfn.reqFault | HmmPfn.reqWrite } });
    expect(error).toBe(-EBUSY);
    expect(words).toEqual(Array(2 * NPAGES).fill(0));
    // The fault has done its work, from the failing page to the end (Q5).
    expect(everything(f).split('\n').slice(0, page)).toEqual(before.slice(0, page));
    expect(f.text()).toBe('PTE 0-7 PRESENT W');
    checkInvariants(f.memory);
  });

  it('an error of migrate_vma_setup with the fault flag leaves them as they were', () => {
    const f = new Fixture(NPAGES);
    mapPages(f, page);
    f.setEntry(page, Kind.hwpoison);
    const before = everything(f);
    const migrate = f.migration('unified', MigrateSelect.system | MigrateSelect.fault);
    expect(f.locked(migrateVmaSetup(migrate))).toBe(-EFAULT);
    expect([...migrate.src, ...migrate.srcPfn]).toEqual(Array(2 * NPAGES).fill(0));
    expect([migrate.npages, migrate.cpages]).toEqual([0, 0]);
    expect(everything(f)).toBe(before);
  });
});
