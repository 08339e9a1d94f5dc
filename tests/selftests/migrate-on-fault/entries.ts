// What userfaultfd, PAGEMAP_SCAN, soft-dirty, process_vm_readv and MADV_COLLAPSE do where a device has the page, or a migration is under way.

import { EEXIST, EFAULT } from '../../../uapi/errno.js';
import { MADV_COLLAPSE, PAGE_SIZE } from '../../../uapi/mman.js';
import { expectRet } from '../expect.js';
import { type EntryRow, entryRowCases, filledBytes, fillRows, unprotect } from './entry-row.js';
import { clearSoftDirty, remoteAccess, scanWritten } from './userfault-file.js';
import { PAGES_PER_HUGE } from './world.js';

const NPAGES = 4;
const SIZE = NPAGES * PAGE_SIZE;

/** Entries of the pages when nothing was done yet. A device-exclusive entry of later kernels remembers no rights. */
const BEFORE = ['PTE 0-3 DPRIV-W', 'PTE 0-3 DEXCL', 'PTE 0-3 MIG-W'] as const;
const READ_ONLY = ['PTE 0-3 DPRIV-R', 'PTE 0-3 DEXCL', 'PTE 0-3 MIG-RX'];
const HOME = BEFORE.map(() => 'PTE 0-3 PRESENT W');
const REFUSED = { ret: [-EEXIST, -EEXIST, -EEXIST], table: BEFORE };

const ROWS: readonly EntryRow[] = [
  ...fillRows({ table: BEFORE }),
  {
    name: 'continue',
    isOfFile: true,
    ...REFUSED,
    run: ({ userfault, addr }) => userfault.ioctl('CONTINUE', addr, SIZE, 0, 0),
  },
  {
    name: 'move_from',
    waits: true,
    moved: NPAGES,
    ret: [-EFAULT, -EFAULT, 0],
    table: [BEFORE[0], BEFORE[1], 'PTE 0-3 NONE'],
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', behind, addr, SIZE, 0, 0),
  },
  {
    name: 'move_to',
    isFilledBehind: true,
    ...REFUSED,
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', addr, behind, SIZE, 0, 0),
  },
  {
    name: 'writeprotect',
    ret: [0, 0, 0],
    table: READ_ONLY,
    marks: ['2222', '3333', '3333'],
    run: ({ userfault, addr }) => userfault.ioctl('WRITEPROTECT', addr, SIZE, 1),
  },
  {
    name: 'writeunprotect',
    ret: [0, 0, 0],
    table: READ_ONLY,
    marks: ['0000', '1111', '1111'],
    run: (scene) => unprotect(scene, SIZE),
  },
  {
    // Entries keep their rights: what was writable comes back so, protected or not.
    name: 'scan',
    ret: [1, 1, 1],
    table: BEFORE,
    marks: ['3333', '3333', '3333'],
    async run({ process, buffer }) {
      const memory = buffer.memory.slice(0, SIZE);
      const found = await scanWritten(process, memory, buffer.mirror.addr);
      expectRet(await scanWritten(process, memory, buffer.mirror.addr), 0, 'PAGEMAP_SCAN once more');
      return found;
    },
  },
  {
    name: 'clear_refs',
    waits: true,
    ret: [1, 1, 1],
    table: [BEFORE[0], BEFORE[1], 'PTE 0-3 PRESENT R'],
    marks: ['0000', '0000', '0000'],
    run: ({ process }) => clearSoftDirty(process),
  },
  {
    name: 'remote_read',
    waits: true,
    ret: [SIZE, SIZE, SIZE],
    table: HOME,
    run: ({ process, addr }) => remoteAccess(process, addr, SIZE),
  },
  {
    name: 'remote_write',
    waits: true,
    ret: [SIZE, SIZE, SIZE],
    table: HOME,
    run: ({ process, addr }) => remoteAccess(process, addr, filledBytes(NPAGES)),
  },
  {
    // One page must be there and writable.
    name: 'collapse',
    isFilledBehind: true,
    isUnserved: true,
    npages: PAGES_PER_HUGE,
    waits: true,
    ret: [0, 0, 0],
    table: BEFORE.map(() => 'PMD 0-511 HUGE W'),
    run: ({ process, buffer }) => process.madvise(buffer.memory.addr, buffer.memory.sizeBytes, MADV_COLLAPSE),
  },
];

export const entryCases = entryRowCases(
  { name: 'entries', kinds: ['private', 'exclusive', 'migration'], npages: NPAGES },
  ROWS,
);
