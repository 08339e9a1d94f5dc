// What reviewers of the migrate-on-fault series asked about and only a caller of hmm_range_fault can see: the words of a
// range whose pages have request bits of their own, above all when a huge page is split under them.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  MigrateSelect,
  MigrateVma,
  migrateHmmRangeSetup,
  migrateVmaFinalize,
  migrateVmaPages,
  migrationPath,
  mmuIntervalNotifierInsert,
  mmuIntervalReadBegin,
  mmuIntervalSetSeq,
} from '../../../../../driver/hmm/index.js';
import { folioGet, folioPut } from '../../../../../driver/mm/frames/folio.js';
import { PAGE_SIZE } from '../../../../../driver/mm/frames/frames.js';
import { Kind } from '../../../../../driver/mm/tables/entry.js';
import { pfnAt } from '../../../../../driver/mm/tables/page-table-text.js';
import { Machine } from '../../../../../driver/sys/machine/machine.js';
import type { Process } from '../../../../../driver/sys/processes/process.js';
import { MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE } from '../../../../../uapi/mman.js';
import { runTask } from '../../../helpers.js';

const BASE = 0x1000000000;
const HUGE = 512;
const NPAGES = 16;
const { valid, write, migrate: taken, reqFault, reqMigrate } = HmmPfn;

describe('a range over a huge page', () => {
  const machine = new Machine({ ramBytes: 16 << 20, coherent: false });
  let process: Process;
  let range: HmmRange;

  beforeEach(() => {
    machine.reset();
    process = machine.createProcess();
    const { main } = process;
    machine.call(main, 'mmap', BASE, HUGE * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    machine.call(main, 'madvise', BASE, HUGE * PAGE_SIZE, MADV_HUGEPAGE);
    machine.call(main, 'store', BASE, new Uint8Array(HUGE * PAGE_SIZE).fill(1));
    range = newRange();
  });

  /** Every page's own bits count, and no others. */
  function newRange(): HmmRange {
    const { mm } = process;
    const length = NPAGES * PAGE_SIZE;
    const ops = {
      *invalidate(interval: Parameters<typeof mmuIntervalSetSeq>[0], { event }: { event: string }, curSeq: number) {
        if (event !== 'MIGRATE') mmuIntervalSetSeq(interval, curSeq);
        return true;
      },
    };
    const notifier = runTask(machine.kernel, mmuIntervalNotifierInsert(mm, { start: BASE, length, ops }));
    if (typeof notifier === 'number') throw new Error('no notifier');
    return {
      notifier,
      notifierSeq: runTask(machine.kernel, mmuIntervalReadBegin(notifier)),
      start: BASE,
      end: BASE + length,
      flags: new Uint32Array(NPAGES),
      pfns: new Uint32Array(NPAGES),
      defaultFlags: 0,
      pfnFlagsMask: reqFault | reqMigrate,
      devPrivateOwner: null,
      migrate: new MigrateVma(NPAGES, migrationPath('unified')).request({
        vma: null,
        start: 0,
        end: 0,
        flags: 0,
        pgmapOwner: null,
      }),
    };
  }

  /** The call, the words it left, and the end of the migration, which moves nothing. */
  function walk(): { error: number; flags: number[] } {
    const { mm } = process;
    const run = function* () {
      yield* mm.mmapLock.readLock();
      const error = yield* hmmRangeFault(range);
      const flags = [...range.flags];
      const migrate = range.migrate!;
      if (error === 0) {
        yield* migrateHmmRangeSetup(range);
        yield* migrateVmaPages(migrate);
        yield* migrateVmaFinalize(migrate);
      }
      mm.mmapLock.readUnlock();
      return { error, flags };
    };
    return runTask(machine.kernel, run());
  }

  function pfn(page: number): number {
    return pfnAt(process.mm, BASE / PAGE_SIZE + page);
  }

  it('clears the words of the first pass: what was huge is reported page by page', () => {
    range.flags.fill(reqFault | reqMigrate);
    expect(walk()).toEqual({ error: 0, flags: Array(NPAGES).fill(valid | write | taken) });
    expect([...range.pfns]).toEqual([...Array(NPAGES).keys()].map((page) => pfn(page)));
    expect(machine.pageTableText(process, BASE, BASE + HUGE * PAGE_SIZE)).toBe('PTE 0-511 PRESENT W');
    machine.checkInvariants();
  });

  it('prepares just the pages that ask for it, and reports the others', () => {
    range.flags.fill(reqFault);
    range.flags.fill(reqMigrate, 2, 4);
    const flags = Array<number>(NPAGES).fill(valid | write);
    expect(walk().flags).toEqual(flags.fill(valid | write | taken, 2, 4));
    machine.checkInvariants();
  });

  it('reports a huge page that does not split in all its words, and prepares none', () => {
    range.flags.fill(reqFault | reqMigrate);
    folioGet(machine.memory, pfn(0));
    const order = 9 << HmmPfn.orderShift;
    expect(walk().flags).toEqual(Array(NPAGES).fill(valid | write | order));
    expect([...range.pfns]).toEqual([...Array(NPAGES).keys()].map((page) => pfn(0) + page));
    folioPut(machine.memory, pfn(0));
    machine.checkInvariants();
  });

  it('leaves no request behind as an answer where nothing was prepared', () => {
    machine.call(process.main, 'munmap', BASE, HUGE * PAGE_SIZE);
    machine.call(process.main, 'mmap', BASE, HUGE * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    machine.call(process.main, 'store', BASE + PAGE_SIZE, Uint8Array.of(1));
    const leaf = process.mm.pageTable.pteTable(BASE / PAGE_SIZE)!;
    leaf.rawEntries[2 * 2] = Kind.hwpoison;
    range.flags.fill(reqMigrate);
    range.notifierSeq = runTask(machine.kernel, mmuIntervalReadBegin(range.notifier!));
    const { error, flags } = walk();
    // A hole, a page, a broken page, and holes to the end.
    expect([error, flags.slice(0, 4)]).toEqual([0, [taken, valid | write | taken, 0, taken]]);
    leaf.rawEntries[2 * 2] = 0;
    machine.checkInvariants();
  });

  it('does not loop over the event of its own split', () => {
    range.flags.fill(reqFault | reqMigrate);
    const before = machine.kernel.scheduler.steps;
    expect(walk().error).toBe(0);
    expect(machine.stats.walks).toBe(1);
    expect(machine.kernel.scheduler.steps - before).toBeLessThan(10);
  });
});

it('the bit that asks setup to fault is none of the select bits, nor the one of compound pages', () => {
  const { system, devicePrivate, deviceCoherent, fault } = MigrateSelect;
  const compound = 8;
  expect(new Set([system, devicePrivate, deviceCoherent, compound, fault]).size).toBe(5);
  expect(system | devicePrivate | deviceCoherent | compound | fault).toBe(31);
});
