// What the calls of `entries`, and others that meet page tables, do where a device has 2 MiB as one, or such a folio migrates.

import type { ThreadHandle } from '../../../uapi/client/process-handle.js';
import { EEXIST, EFAULT, EINVAL, ENOENT } from '../../../uapi/errno.js';
import {
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_PAGEOUT,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '../../../uapi/mman.js';
import { TWO_MEG } from '../buffer.js';
import { expectEqual, expectRet } from '../expect.js';
import { type EntryRow, entryRowCases, filledBytes, fillRows, PART_SIZE, unprotect } from './entry-row.js';
import { clearSoftDirty, remoteAccess, scanWritten } from './userfault-file.js';
import { PAGES_PER_HUGE, pageWord } from './world.js';

const PART = PART_SIZE / PAGE_SIZE;
/** Where nothing is mapped. */
const AWAY = 0x1800000000;

/** Entries when nothing was done yet; what follows is of a private folio and one that migrates, too. */
const BEFORE = ['PMD 0-511 PMD-DPRIV-W', 'PMD 0-511 PMD-MIG-W'] as const;
const SAME = { ret: [0, 0], table: BEFORE };
const READ_ONLY = ['PMD 0-511 PMD-DPRIV-R', 'PMD 0-511 PMD-MIG-RX'];
const HOME = ['PMD 0-511 HUGE W', 'PMD 0-511 HUGE W'];

async function mremapTo(process: ThreadHandle, from: number, to: number, sizeBytes: number): Promise<void> {
  expectEqual(await process.mremap(from, sizeBytes, sizeBytes, MREMAP_MAYMOVE | MREMAP_FIXED, to), to, 'mremap');
}

/** Elsewhere, and to its place again. */
async function mremapAndBack(process: ThreadHandle, addr: number, sizeBytes: number): Promise<number> {
  await mremapTo(process, addr, AWAY, sizeBytes);
  await mremapTo(process, AWAY, addr, sizeBytes);
  return 0;
}

/** A child that does `work`, and ends. */
async function forked(process: ThreadHandle, work: (child: ThreadHandle) => Promise<void>): Promise<number> {
  const { ret: pid, child } = await process.fork();
  expectEqual(pid > 0, true, `fork answered ${pid}, a pid`);
  await work(child);
  await child.exit();
  return (await process.wait(pid)).ret - pid;
}

const ROWS: readonly EntryRow[] = [
  ...fillRows({ table: BEFORE }),
  {
    name: 'move_from',
    waits: true,
    moved: PAGES_PER_HUGE,
    ret: [-ENOENT, 0],
    table: [BEFORE[0], 'PMD 0-511 NONE'],
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', behind, addr, TWO_MEG, 0, 0),
  },
  {
    name: 'move_from_part',
    waits: true,
    moved: PART,
    ret: [-EFAULT, 0],
    table: ['PTE 0-511 DPRIV-W', 'PTE 0-3 NONE\nPTE 4-511 PRESENT W'],
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', behind, addr, PART_SIZE, 0, 0),
  },
  {
    name: 'move_to',
    isFilledBehind: true,
    waits: true,
    ret: [-EEXIST, -EEXIST],
    table: [BEFORE[0], HOME[1]!],
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', addr, behind, TWO_MEG, 0, 0),
  },
  {
    name: 'writeprotect',
    ret: [0, 0],
    table: READ_ONLY,
    marks: ['2222', '3333'],
    run: ({ userfault, addr }) => userfault.ioctl('WRITEPROTECT', addr, TWO_MEG, 1),
  },
  {
    name: 'writeprotect_part',
    ret: [0, 0],
    table: ['PTE 0-3 DPRIV-R\nPTE 4-511 DPRIV-W', 'PTE 0-3 MIG-RX\nPTE 4-511 MIG-W'],
    marks: ['22221111', '33331111'],
    run: ({ userfault, addr }) => userfault.ioctl('WRITEPROTECT', addr, PART_SIZE, 1),
  },
  {
    name: 'writeunprotect',
    ret: [0, 0],
    table: READ_ONLY,
    marks: ['0000', '1111'],
    run: (scene) => unprotect(scene, TWO_MEG),
  },
  {
    // Linux protects no such entry of a device, so that what it has counts as written again and again.
    name: 'scan',
    ...SAME,
    ret: [1, 0],
    marks: ['1111', '3333'],
    async run({ process, buffer }) {
      const memory = buffer.memory.slice(0, TWO_MEG);
      expectRet(await scanWritten(process, memory, buffer.mirror.addr), 1, 'PAGEMAP_SCAN');
      return scanWritten(process, memory, buffer.mirror.addr);
    },
  },
  {
    name: 'scan_part',
    ret: [0, 0],
    table: ['PTE 0-511 DPRIV-W', 'PTE 0-511 MIG-W'],
    marks: ['33331111', '33331111'],
    async run({ process, buffer }) {
      const memory = buffer.memory.slice(0, PART_SIZE);
      expectRet(await scanWritten(process, memory, buffer.mirror.addr), 1, 'PAGEMAP_SCAN');
      return scanWritten(process, memory, buffer.mirror.addr);
    },
  },
  {
    // As little as PAGEMAP_SCAN does it touch such an entry of a device.
    name: 'clear_refs',
    waits: true,
    ret: [1, 1],
    table: [BEFORE[0], 'PMD 0-511 HUGE R'],
    marks: ['1111', '0000'],
    run: ({ process }) => clearSoftDirty(process),
  },
  {
    name: 'remote_read',
    waits: true,
    ret: [PART_SIZE, PART_SIZE],
    table: HOME,
    run: ({ process, addr }) => remoteAccess(process, addr, PART_SIZE),
  },
  {
    name: 'remote_write',
    waits: true,
    ret: [PART_SIZE, PART_SIZE],
    table: HOME,
    run: ({ process, addr }) => remoteAccess(process, addr, filledBytes(PART)),
  },
  {
    name: 'collapse',
    ...SAME,
    ret: [-EINVAL, 0],
    run: ({ process, addr }) => process.madvise(addr, TWO_MEG, MADV_COLLAPSE),
  },
  { name: 'khugepaged', ...SAME, run: async ({ process }) => (await process.call('khugepaged')).ret },
  {
    name: 'mremap',
    isUnserved: true,
    waits: true,
    ret: [0, 0],
    table: [BEFORE[0], HOME[1]!],
    run: ({ process, addr }) => mremapAndBack(process, addr, TWO_MEG),
  },
  {
    name: 'mremap_part',
    isUnserved: true,
    waits: true,
    ret: [0, 0],
    table: ['PTE 0-511 DPRIV-W', 'PTE 0-511 PRESENT W'],
    run: ({ process, addr }) => mremapAndBack(process, addr, PART_SIZE),
  },
  {
    name: 'mprotect',
    waits: true,
    ret: [0, 0],
    table: [READ_ONLY[0]!, HOME[1]!],
    async run({ process, addr }) {
      expectRet(await process.mprotect(addr, TWO_MEG, PROT_READ), 0, 'mprotect');
      return process.mprotect(addr, TWO_MEG, PROT_READ | PROT_WRITE);
    },
  },
  {
    name: 'mprotect_part',
    waits: true,
    ret: [0, 0],
    table: ['PTE 0-3 DPRIV-R\nPTE 4-511 DPRIV-W', 'PTE 0-3 PRESENT R\nPTE 4-511 PRESENT W'],
    run: ({ process, addr }) => process.mprotect(addr, PART_SIZE, PROT_READ),
  },
  {
    name: 'fork',
    waits: true,
    ret: [0, 0],
    table: [READ_ONLY[0]!, 'PMD 0-511 HUGE R'],
    run: ({ process }) => forked(process, async () => {}),
  },
  {
    // The child's access brings the folio home for both.
    name: 'fork_write',
    waits: true,
    ret: [0, 0],
    table: ['PMD 0-511 HUGE R', 'PMD 0-511 HUGE R'],
    run: ({ process, buffer }) =>
      forked(process, async (child) => {
        const memory = buffer.memory.as(child);
        await memory.writeWord(0, 7);
        expectEqual(await memory.readWord(PAGE_SIZE), pageWord(1), 'the second page of the child');
      }),
  },
  {
    name: 'dontneed',
    dropped: PAGES_PER_HUGE,
    ret: [0, 0],
    table: ['PMD 0-511 NONE', 'PMD 0-511 NONE'],
    run: ({ process, addr }) => process.madvise(addr, TWO_MEG, MADV_DONTNEED),
  },
  {
    name: 'dontneed_part',
    dropped: PART,
    ret: [0, 0],
    table: ['PTE 0-3 NONE\nPTE 4-511 DPRIV-W', 'PTE 0-3 NONE\nPTE 4-511 MIG-W'],
    run: ({ process, addr }) => process.madvise(addr, PART_SIZE, MADV_DONTNEED),
  },
  { name: 'free', ...SAME, run: ({ process, addr }) => process.madvise(addr, TWO_MEG, MADV_FREE) },
  { name: 'free_part', ...SAME, run: ({ process, addr }) => process.madvise(addr, PART_SIZE, MADV_FREE) },
  { name: 'pageout', ...SAME, run: ({ process, addr }) => process.madvise(addr, TWO_MEG, MADV_PAGEOUT) },
  { name: 'pageout_part', ...SAME, run: ({ process, addr }) => process.madvise(addr, PART_SIZE, MADV_PAGEOUT) },
  {
    name: 'mlock',
    waits: true,
    ret: [0, 0],
    table: HOME,
    async run({ process, addr }) {
      expectRet(await process.mlock(addr, TWO_MEG), 0, 'mlock');
      return process.munlock(addr, TWO_MEG);
    },
  },
];

export const hugeEntryCases = entryRowCases(
  { name: 'huge_entries', kinds: ['private', 'migration'], npages: PAGES_PER_HUGE, isHuge: true },
  ROWS,
);
