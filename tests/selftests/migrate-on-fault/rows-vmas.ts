// Rows about what the memory around a page is: vmas that can't be read, gaps, files, huge pages.

import { GupTestFile } from '../../../uapi/client/gup-test-file.js';
import type { MmapOptions } from '../../../uapi/client/process-handle.js';
import { EFAULT, EINVAL, ENOENT, ERANGE } from '../../../uapi/errno.js';
import { PIN_LONGTERM_TEST_FLAG_USE_WRITE } from '../../../uapi/gup-test.js';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../../uapi/mman.js';
import type { SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import {
  FILLED,
  filled,
  IN_RAM,
  NPAGES,
  nothing,
  ON_DEVICE,
  type Outcome,
  type Row,
  rowCase,
  runIoctl,
  times,
  ZEROES,
} from './row.js';
import { BOTH_IOCTLS, fileWord, firstWords, inspectMemory, onFault, PAGES_PER_HUGE, pageWord, World } from './world.js';

const SHARED_ANONYMOUS: MmapOptions = { flags: MAP_SHARED | MAP_ANONYMOUS };

const vmas: readonly Row[] = [
  {
    name: 'prot_none',
    prepare: filled(async ({ process }, buffer) => {
      await buffer.protect(process, PROT_NONE);
      return () => buffer.protect(process, PROT_READ | PROT_WRITE);
    }),
    words: FILLED,
    toDev: { ret: -EINVAL, snapshot: times(NPAGES, 'ff'), table: 'PTE 0-3 PROTNONE', unchanged: true },
    onFault: { ret: -EFAULT, snapshot: times(NPAGES, 'ff'), table: 'PTE 0-3 PROTNONE', unchanged: true },
  },
  {
    name: 'write_only',
    prepare: filled(async ({ process }, buffer) => {
      await buffer.protect(process, PROT_WRITE);
      return () => buffer.protect(process, PROT_READ | PROT_WRITE);
    }),
    words: FILLED,
    toDev: { ret: -EINVAL, snapshot: times(NPAGES, 'ff'), table: 'PTE 0-3 PRESENT W', unchanged: true },
    onFault: { ret: -EFAULT, snapshot: times(NPAGES, 'ff'), table: 'PTE 0-3 PRESENT W', unchanged: true },
  },
  {
    // What lies before the gap has migrated and stays so.
    name: 'gap',
    prepare: filled(async ({ process }, { memory }) => {
      expectRet(await process.munmap(memory.addr + 2 * PAGE_SIZE, PAGE_SIZE), 0, 'munmap');
      return undefined;
    }),
    words: undefined,
    toDev: { ret: -EINVAL, snapshot: '2222ff02', table: 'PTE 0-1 DPRIV-W\nPTE 2 NONE\nPTE 3 PRESENT W' },
    onFault: { ret: -EFAULT, snapshot: '2222ff02', table: 'PTE 0-1 DPRIV-W\nPTE 2 NONE\nPTE 3 PRESENT W' },
  },
  {
    // One way cuts at vma ends, the other moves only what is of the first.
    name: 'two_vmas',
    prepare: filled(async ({ process }, buffer) => {
      await buffer.protect(process, PROT_READ, { firstPage: 2 });
      return undefined;
    }),
    words: FILLED,
    toDev: { ret: 0, snapshot: '22222121', table: 'PTE 0-1 DPRIV-W\nPTE 2-3 DPRIV-R' },
    onFault: { ret: -ERANGE, snapshot: '22220101', table: 'PTE 0-1 DPRIV-W\nPTE 2-3 PRESENT R' },
  },
  {
    name: 'hugetlb',
    npages: PAGES_PER_HUGE,
    map: { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB },
    prepare: filled(),
    words: [...Array(PAGES_PER_HUGE).keys()].map(pageWord),
    toDev: { ret: -EINVAL, snapshot: times(PAGES_PER_HUGE, '06'), table: 'PMD 0-511 HUGE W', unchanged: true },
    onFault: { ret: -ENOENT, snapshot: times(PAGES_PER_HUGE, '06'), table: 'PMD 0-511 HUGE W', unchanged: true },
  },
  {
    name: 'shmem_none',
    map: SHARED_ANONYMOUS,
    prepare: nothing,
    words: ZEROES,
    toDev: { ret: -ENOENT, snapshot: times(NPAGES, '00'), table: 'PUD 0-3 NONE', faults: 0 },
    onFault: { ret: -ENOENT, snapshot: times(NPAGES, '02'), table: 'PTE 0-3 PRESENT W', faults: NPAGES },
  },
  {
    // Collected and unmapped, but refused as the page of a file, and restored.
    name: 'shmem_present',
    map: SHARED_ANONYMOUS,
    prepare: filled(),
    words: FILLED,
    toDev: { ...IN_RAM, ret: -ENOENT },
    onFault: { ...IN_RAM, ret: -ENOENT },
  },
];

const FILE_WORDS = [...Array(NPAGES).keys()].map(fileWord);

async function runFileRow(ctx: SelftestContext, row: Omit<Row, 'map'>): Promise<void> {
  const world = await World.boot(ctx);
  const map = { fd: await world.file(NPAGES), flags: MAP_PRIVATE };
  for (const ioctl of BOTH_IOCTLS) await runIoctl(world, { ...row, map }, ioctl);
  await world.close();
}

const fileRows: readonly Omit<Row, 'map'>[] = [
  {
    name: 'file_none',
    prepare: nothing,
    words: FILE_WORDS,
    toDev: { ret: -ENOENT, snapshot: times(NPAGES, '00'), table: 'PUD 0-3 NONE' },
    onFault: { ret: -ENOENT, snapshot: times(NPAGES, '01'), table: 'PTE 0-3 PRESENT R' },
  },
  {
    name: 'file_copied',
    prepare: filled(),
    words: FILLED,
    toDev: ON_DEVICE,
    onFault: ON_DEVICE,
  },
];

const HUGE_FILLED = [...Array(PAGES_PER_HUGE).keys()].map(pageWord);
const HUGE_ZEROES = Array<number>(PAGES_PER_HUGE).fill(0);
const ALL_ON_DEVICE: Outcome = { ret: 0, snapshot: times(PAGES_PER_HUGE, '22'), table: 'PTE 0-511 DPRIV-W' };

function huge(prepare: Row['prepare']): Row['prepare'] {
  return async (world, buffer) => {
    const { memory } = buffer;
    expectRet(await world.process.madvise(memory.addr, memory.sizeBytes, MADV_HUGEPAGE), 0, 'HUGEPAGE');
    return prepare(world, buffer);
  };
}

const hugeRows: readonly Row[] = [
  {
    name: 'thp',
    npages: PAGES_PER_HUGE,
    prepare: huge(filled()),
    words: HUGE_FILLED,
    toDev: ALL_ON_DEVICE,
    onFault: ALL_ON_DEVICE,
  },
  {
    name: 'thp_part',
    npages: PAGES_PER_HUGE,
    range: { firstPage: 100, npages: 4 },
    prepare: huge(filled()),
    words: HUGE_FILLED,
    ...bothOutcomes({
      ret: 0,
      snapshot: times(100, '02') + times(4, '22') + times(408, '02'),
      table: 'PTE 0-99 PRESENT W\nPTE 100-103 DPRIV-W\nPTE 104-511 PRESENT W',
    }),
  },
  {
    name: 'thp_zero',
    npages: PAGES_PER_HUGE,
    prepare: huge(async (_world, { memory }) => {
      await firstWords(memory);
      expectEqual(await inspectMemory('page_table', memory), 'PMD 0-511 HUGE_ZERO', 'before');
      return undefined;
    }),
    words: HUGE_ZEROES,
    toDev: ALL_ON_DEVICE,
    onFault: ALL_ON_DEVICE,
  },
  {
    // A pinned folio does not split.
    name: 'thp_pinned',
    npages: PAGES_PER_HUGE,
    prepare: huge(
      filled(async ({ process }, { memory }) => {
        const gup = await GupTestFile.open(process);
        const pinned = await gup.pinStart(memory.addr, PAGE_SIZE, PIN_LONGTERM_TEST_FLAG_USE_WRITE);
        expectRet(pinned, 0, 'pin');
        return async () => expectRet(await gup.close(), 0, 'close of gup_test');
      }),
    ),
    words: HUGE_FILLED,
    toDev: { ret: -ENOENT, snapshot: times(PAGES_PER_HUGE, '06'), table: 'PMD 0-511 HUGE W' },
    onFault: { ret: -ENOENT, snapshot: times(PAGES_PER_HUGE, '06'), table: 'PMD 0-511 HUGE W' },
  },
  {
    // Single entries of a folio that is still whole: 6.12 can't migrate such pages.
    name: 'thp_mapped_by_pages',
    npages: PAGES_PER_HUGE,
    prepare: huge(
      filled(async ({ process }, buffer) => {
        await buffer.protect(process, PROT_READ, { firstPage: 511 });
        await buffer.protect(process, PROT_READ | PROT_WRITE, { firstPage: 511 });
        return undefined;
      }),
    ),
    words: HUGE_FILLED,
    toDev: { ret: -ENOENT, snapshot: times(PAGES_PER_HUGE, '02'), table: 'PTE 0-511 PRESENT W', unchanged: true },
    onFault: { ret: -ENOENT, snapshot: times(PAGES_PER_HUGE, '02'), table: 'PTE 0-511 PRESENT W', unchanged: true },
  },
];

function bothOutcomes(outcome: Outcome): Pick<Row, 'toDev' | 'onFault'> {
  return { toDev: outcome, onFault: outcome };
}

export const vmaRowCases = [
  ...[...vmas, ...hugeRows].map(rowCase),
  ...fileRows.map((row) => onFault(`rows.${row.name}`, (ctx) => runFileRow(ctx, row))),
];
