import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import {
  HmmPfn,
  type HmmRange,
  hmmPfnToMapOrder,
  hmmRangeFault,
  type IntervalNotifier,
  MigrateSelect,
  type MigrateVma,
  migrateHmmRangeSetup,
  migrateVmaFinalize,
  migrateVmaPages,
  migrateVmaSetup,
  mmuIntervalNotifierInsert,
  mmuIntervalSetSeq,
} from '../../../../driver/hmm/index.js';
import { folioLock, folioUnlock } from '../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE, PG } from '../../../../driver/mm/frames/frames.js';
import { Kind, Pte } from '../../../../driver/mm/tables/entry.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { EBUSY, EFAULT, EPERM, ERANGE } from '../../../../uapi/errno.js';
import { Fixture, START } from '../fixture.js';

const { reqFault, reqWrite, reqMigrate } = HmmPfn;
/** The page that replaces another is told to the device by a CLEAR event, so the caller begins again. */
const REPLACED = `${-EBUSY}`;

function subscribe(f: Fixture): IntervalNotifier {
  const ops = {
    *invalidate(interval: IntervalNotifier, range: { owner: object | null }, curSeq: number): Coroutine<boolean> {
      if (range.owner !== f.device.owner) mmuIntervalSetSeq(interval, curSeq);
      return true;
    },
  };
  const interval = f.run(mmuIntervalNotifierInsert(f.mm, { start: 0, length: 2 ** 47, ops }));
  if (typeof interval === 'number') throw new Error('no notifier');
  return interval;
}

interface RangeOptions {
  defaultFlags?: number;
  npages?: number;
  start?: number;
  mask?: number;
  migrate?: MigrateVma | null;
}

function rangeOf(f: Fixture, options: RangeOptions = {}): HmmRange {
  const { defaultFlags = 0, npages = f.npages, start = START, mask = 0, migrate = null } = options;
  const notifier = subscribe(f);
  return {
    notifier,
    notifierSeq: notifier.invalidateSeq,
    start,
    end: start + npages * PAGE_SIZE,
    flags: new Uint32Array(npages),
    pfns: new Uint32Array(npages),
    defaultFlags,
    pfnFlagsMask: mask,
    devPrivateOwner: f.device.owner,
    migrate,
  };
}

function flagsText(flags: number): string {
  if (flags & HmmPfn.error) return 'ERROR';
  const letters = [flags & HmmPfn.valid && 'V', flags & HmmPfn.write && 'W', flags & HmmPfn.migrate && 'M'];
  const order = hmmPfnToMapOrder(flags);
  return `${letters.filter(Boolean).join('') || '0'}${order > 0 ? `/${order}` : ''}`;
}

/** What the walk answers for entry 0, and the entry afterwards. */
function answer(map: (f: Fixture) => void, defaultFlags: number): string {
  const f = new Fixture(1);
  map(f);
  const range = rangeOf(f, { defaultFlags });
  const ret = f.locked(hmmRangeFault(range));
  return ret !== 0 ? `${ret}` : `${flagsText(range.flags[0]!)} ${f.text()}`;
}

const shared = (f: Fixture): void => {
  f.memory.frames.clearFlags(f.mapPage(0, { write: false }), PG.anonExclusive);
};

describe('hmm_range_fault, entry by entry', () => {
  it.each([
    ['no table', () => {}, '0 PUD 0 NONE', 'V PTE 0 ZERO', 'VW PTE 0 PRESENT W'],
    ['NONE', (f: Fixture) => f.setEntry(0, 0), '0 PTE 0 NONE', 'V PTE 0 ZERO', 'VW PTE 0 PRESENT W'],
    ['MARKER', (f: Fixture) => f.setEntry(0, Kind.marker), '0 PTE 0 MARKER', null, null],
    ['HWPOISON', (f: Fixture) => f.setEntry(0, Kind.hwpoison), '0 PTE 0 HWPOISON', `${-EFAULT}`, `${-EFAULT}`],
    ['ZERO', (f: Fixture) => f.mapZero(0), 'V PTE 0 ZERO', 'V PTE 0 ZERO', REPLACED],
    ['PRESENT W', (f: Fixture) => f.mapPage(0), 'VW PTE 0 PRESENT W', 'VW PTE 0 PRESENT W', 'VW PTE 0 PRESENT W'],
    ['PRESENT R', shared, 'V PTE 0 PRESENT R', 'V PTE 0 PRESENT R', 'VW PTE 0 PRESENT W'],
    [
      'own DPRIV W',
      (f: Fixture) => f.mapPage(0, { device: f.device }),
      'VW PTE 0 DPRIV-W',
      'VW PTE 0 DPRIV-W',
      'VW PTE 0 DPRIV-W',
    ],
    [
      'own DPRIV R, never faulted',
      (f: Fixture) => f.mapPage(0, { device: f.device, write: false }),
      'V PTE 0 DPRIV-R',
      'V PTE 0 DPRIV-R',
      'V PTE 0 DPRIV-R',
    ],
    ['foreign DPRIV', (f: Fixture) => f.mapPage(0, { device: f.other }), '0 PTE 0 DPRIV-W', null, null],
    [
      'coherent',
      (f: Fixture) => f.mapPage(0, { device: f.coherent }),
      'VW PTE 0 PRESENT W',
      'VW PTE 0 PRESENT W',
      'VW PTE 0 PRESENT W',
    ],
    [
      'PROTNONE',
      (f: Fixture) => {
        const pfn = f.mapPage(0);
        f.setEntry(0, Kind.present | Pte.protnone, pfn);
      },
      '0 PTE 0 PROTNONE',
      null,
      null,
    ],
    [
      'special without struct page',
      (f: Fixture) => f.setEntry(0, Kind.present | Pte.special, 99),
      'ERROR PTE 0 ZERO',
      null,
      null,
    ],
  ] as const)('%s', (_name, map, plain, read, write) => {
    expect(answer(map as (f: Fixture) => void, 0)).toBe(plain);
    if (read !== null) expect(answer(map as (f: Fixture) => void, reqFault)).toBe(read);
    if (write !== null) expect(answer(map as (f: Fixture) => void, reqFault | reqWrite)).toBe(write);
  });

  it('faults the whole rest of the table from the first page that lacks something (Q5)', () => {
    const f = new Fixture(4);
    f.mapPage(0);
    f.mapPage(2);
    const range = rangeOf(f, { defaultFlags: reqFault });
    expect(f.locked(hmmRangeFault(range))).toBe(0);
    expect(f.memory.stats.remoteFaults).toBe(3);
    expect([f.memory.stats.walks, f.memory.stats.resumptions]).toEqual([1, 1]);
  });

  it('asks for single pages by their own request bits', () => {
    const f = new Fixture(3);
    f.setEntry(0, 0);
    const range = rangeOf(f, { mask: reqFault | reqWrite });
    range.flags[2] = reqFault | reqWrite;
    expect(f.locked(hmmRangeFault(range))).toBe(0);
    expect(f.text()).toBe('PTE 0-1 NONE\nPTE 2 PRESENT W');
    expect([...range.flags].map(flagsText)).toEqual(['0', '0', 'VW']);
  });

  it('answers gaps and unreadable memory with ERROR, or -EFAULT when a page is asked for', () => {
    const f = new Fixture(1);
    const range = rangeOf(f, { npages: 2 });
    expect(f.locked(hmmRangeFault(range))).toBe(0);
    expect([...range.flags].map(flagsText)).toEqual(['0', 'ERROR']);
    expect(f.locked(hmmRangeFault(rangeOf(f, { npages: 2, defaultFlags: reqFault })))).toBe(-EFAULT);
    f.vma.flags &= ~(VM.read | VM.write);
    const unreadable = rangeOf(f);
    expect(f.locked(hmmRangeFault(unreadable))).toBe(0);
    expect(unreadable.flags[0]).toBe(HmmPfn.error);
    expect(f.locked(hmmRangeFault(rangeOf(f, { defaultFlags: reqFault | reqWrite })))).toBe(-EFAULT);
  });

  it('answers -EPERM for a write to read-only memory', () => {
    const f = new Fixture(1);
    f.vma.flags &= ~VM.write;
    expect(f.locked(hmmRangeFault(rangeOf(f, { defaultFlags: reqFault | reqWrite })))).toBe(-EPERM);
  });

  it('answers -EBUSY when the range was invalidated', () => {
    const f = new Fixture(1);
    const range = rangeOf(f);
    range.notifierSeq -= 2;
    expect(f.locked(hmmRangeFault(range))).toBe(-EBUSY);
  });

  it('waits for a migration when a page is asked for, and only then', () => {
    const f = new Fixture(1);
    const pfn = f.mapPage(0);
    f.setEntry(0, Kind.migration | Pte.write, pfn);
    const plain = rangeOf(f);
    expect(f.locked(hmmRangeFault(plain))).toBe(0);
    expect(plain.flags[0]).toBe(0);
    const range = rangeOf(f, { defaultFlags: reqFault });
    let ret = 1;
    const { scheduler } = f.kernel;
    const migrator = (function* (): Coroutine<void> {
      yield* folioLock(f.memory, pfn);
      scheduler.start(scheduler.newTask('reader'), lockedFault(f, range), (value) => {
        ret = value;
      });
      yield { kind: 'sleep', ticks: 100 };
      expect(ret).toBe(1);
      f.setEntry(0, Kind.present | Pte.write, pfn);
      folioUnlock(f.memory, pfn);
    })();
    f.run(migrator);
    expect(ret).toBe(0);
    expect(flagsText(range.flags[0]!)).toBe('VW');
  });
});

function* lockedFault(f: Fixture, range: HmmRange): Coroutine<number> {
  yield* f.mm.mmapLock.readLock();
  const ret = yield* hmmRangeFault(range);
  f.mm.mmapLock.readUnlock();
  return ret;
}

describe('hmm_range_fault with a migration', () => {
  const DEFAULTS = reqFault | reqMigrate;

  function migrating(f: Fixture, options: RangeOptions = {}): HmmRange {
    const migrate = f.migration('unified', 0);
    migrate.vma = null;
    return rangeOf(f, { defaultFlags: DEFAULTS, migrate, ...options });
  }

  /** Nothing of ours may be left: no migration entry, no lock, no reference. */
  function expectNothingHeld(f: Fixture, range: HmmRange, pfns: number[]): void {
    expect(f.text()).not.toContain('MIG');
    for (const pfn of pfns) {
      expect(f.memory.frames.refcount(pfn)).toBe(1);
      expect(f.memory.frames.hasFlags(pfn, PG.locked)).toBe(false);
    }
    expect([...range.flags].every((flags) => flags === 0)).toBe(true);
    const { notifier } = f.mm;
    expect((notifier as unknown as { active: number }).active).toBe(0);
  }

  it('faults and prepares on one walk, and the migration goes on from there', () => {
    const f = new Fixture(4);
    f.mapPage(0);
    f.mapPage(1, { write: false });
    const range = migrating(f);
    const migrate = range.migrate!;
    const texts: string[] = [];
    f.locked(
      (function* () {
        expect(yield* hmmRangeFault(range)).toBe(0);
        texts.push(f.text());
        yield* migrateHmmRangeSetup(range);
        expect(migrate.cpages).toBe(4);
        f.allocateDst(migrate, f.device);
        yield* migrateVmaPages(migrate);
        yield* migrateVmaFinalize(migrate);
        texts.push(f.text());
      })(),
    );
    expect([...range.flags].map(flagsText)).toEqual(['VWM', 'VM', 'M', 'M']);
    expect(texts).toEqual(['PTE 0 MIG-W\nPTE 1 MIG-RX\nPTE 2-3 ZERO', 'PTE 0 DPRIV-W\nPTE 1 DPRIV-R\nPTE 2-3 DPRIV-W']);
    expect(f.memory.stats.walks).toBe(1);
  });

  it('needs 1 walk where fault-then-migrate needs 2 and migrate-fault-migrate 3', () => {
    const walks = (run: (f: Fixture, range: HmmRange) => Coroutine<unknown>): number => {
      const f = new Fixture(2);
      f.mapPage(0);
      f.locked(run(f, rangeOf(f, { defaultFlags: reqFault })));
      return f.memory.stats.walks;
    };
    const give = function* (migrate: MigrateVma): Coroutine<void> {
      yield* migrateVmaSetup(migrate);
      yield* migrateVmaFinalize(migrate);
    };
    const { system, fault } = MigrateSelect;
    expect(
      walks(function* (f, range) {
        yield* hmmRangeFault(range);
        yield* give(f.migration('classic', system));
      }),
    ).toBe(2);
    expect(
      walks(function* (f, range) {
        yield* give(f.migration('classic', system));
        yield* hmmRangeFault(range);
        yield* give(f.migration('classic', system));
      }),
    ).toBe(3);
    expect(walks((f) => give(f.migration('unified', system | fault)))).toBe(1);
  });

  it('undoes what it has prepared before it faults, and resumes', () => {
    const f = new Fixture(4);
    const pfns = [f.mapPage(0), f.mapPage(1)];
    const { stats } = f.memory;
    const range = migrating(f);
    f.locked(
      (function* () {
        expect(yield* hmmRangeFault(range)).toBe(0);
        yield* migrateHmmRangeSetup(range);
        yield* migrateVmaFinalize(range.migrate!);
      })(),
    );
    expect([stats.walks, stats.resumptions, stats.remoteFaults]).toEqual([1, 1, 2]);
    expect(pfns.map((pfn) => f.memory.frames.refcount(pfn))).toEqual([1, 1]);
    expect(f.text()).toBe('PTE 0-1 PRESENT W\nPTE 2-3 ZERO');
  });

  it('does not take the answers of the first pass for requests', () => {
    const f = new Fixture(3);
    f.mapPage(0);
    const range = migrating(f, { defaultFlags: 0, mask: DEFAULTS });
    range.flags.set([reqMigrate, 0, reqFault]);
    expect(f.locked(heldThenGiven(range))).toBe(0);
    expect([...range.flags].map(flagsText)).toEqual(['VWM', '0', 'V']);
    expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 NONE\nPTE 2 ZERO');
  });

  function* heldThenGiven(range: HmmRange): Coroutine<number> {
    const ret = yield* hmmRangeFault(range);
    if (ret !== 0) return ret;
    yield* migrateHmmRangeSetup(range);
    yield* migrateVmaFinalize(range.migrate!);
    return 0;
  }

  it.each([0, 1, 2, 3])('holds nothing after -EFAULT at entry %i', (bad) => {
    const f = new Fixture(4);
    const pfns = [0, 1, 2, 3].filter((page) => page !== bad).map((page) => f.mapPage(page));
    f.setEntry(bad, Kind.hwpoison);
    const range = migrating(f);
    expect(f.locked(hmmRangeFault(range))).toBe(-EFAULT);
    expectNothingHeld(f, range, pfns);
  });

  it('holds nothing after -EFAULT at a gap, -ERANGE at a second vma, -EPERM and -EBUSY', () => {
    const f = new Fixture(2);
    const pfns = [f.mapPage(0), f.mapPage(1)];
    const gap = migrating(f, { npages: 3 });
    expect(f.locked(hmmRangeFault(gap))).toBe(-EFAULT);
    expectNothingHeld(f, gap, pfns);
    const quietGap = migrating(f, { npages: 3, defaultFlags: reqMigrate });
    expect(f.locked(hmmRangeFault(quietGap))).toBe(-ERANGE);
    expectNothingHeld(f, quietGap, pfns);
    f.addVma(f.vma.end, f.vma.end + PAGE_SIZE);
    const second = migrating(f, { npages: 3 });
    expect(f.locked(hmmRangeFault(second))).toBe(-ERANGE);
    expectNothingHeld(f, second, pfns);
    const busy = migrating(f);
    busy.notifierSeq -= 2;
    expect(f.locked(hmmRangeFault(busy))).toBe(-EBUSY);
    expectNothingHeld(f, busy, pfns);
    f.vma.flags &= ~VM.write;
    f.setEntry(1, Kind.present, pfns[1]);
    const denied = migrating(f, { defaultFlags: DEFAULTS | reqWrite });
    expect(f.locked(hmmRangeFault(denied))).toBe(-EPERM);
    expectNothingHeld(f, denied, pfns);
  });

  it('reports own device pages, and pages it can not take, without preparing them', () => {
    const f = new Fixture(3);
    f.mapPage(0, { device: f.device });
    f.memory.frames.setPincount(f.mapPage(1), 1);
    f.mapPage(2, { device: f.coherent });
    const range = migrating(f);
    f.locked(heldThenGiven(range));
    expect([...range.flags].map(flagsText)).toEqual(['VW', 'VW', 'VW']);
    expect([...range.migrate!.src]).toEqual([0, 0, 0]);
  });

  it('without REQ_MIGRATE and select flags is a plain hmm_range_fault', () => {
    const f = new Fixture(1);
    f.mapPage(0);
    const range = migrating(f, { defaultFlags: reqFault });
    expect(f.locked(hmmRangeFault(range))).toBe(0);
    expect(flagsText(range.flags[0]!)).toBe('VW');
    expect(f.text()).toBe('PTE 0 PRESENT W');
  });

  it('setup with the fault flag answers an error with nothing held', () => {
    const f = new Fixture(2);
    const pfn = f.mapPage(0);
    f.setEntry(1, Kind.hwpoison);
    const migrate = f.migration('unified', MigrateSelect.system | MigrateSelect.fault);
    expect(f.locked(migrateVmaSetup(migrate))).toBe(-EFAULT);
    expect([...migrate.src]).toEqual([0, 0]);
    expect(migrate.cpages).toBe(0);
    expect(f.text()).toBe('PTE 0 PRESENT W\nPTE 1 HWPOISON');
    expect(f.memory.frames.refcount(pfn)).toBe(1);
  });
});
