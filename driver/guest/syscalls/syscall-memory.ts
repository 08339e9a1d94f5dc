import { EBUSY, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { MAP_FIXED, MAP_GROWSDOWN, MAP_STACK, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { Kind, kindOf } from '../../mm/tables/entry.js';
import { pmdIndex, pteIndex, TASK_SIZE } from '../../mm/tables/page-table.js';
import { doMlockall, doMunlockall } from '../../mm/vmas/mlock.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { doMunmap } from '../../mm/vmas/munmap.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { writeUser } from '../../sys/processes/user-memory.js';
import { mapAnonymous } from '../exec.js';
import { fixed, type GuestSyscallTable, machineCall } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const MREMAP_ALL = 7;
const MS_ASYNC = 1;
const MS_INVALIDATE = 2;
const MS_SYNC = 4;
const MS_ALL = MS_ASYNC | MS_INVALIDATE | MS_SYNC;
/** Flags that change nothing here: the stack is mapped whole. */
const IGNORED_MAP_FLAGS = MAP_STACK | MAP_GROWSDOWN;

/** The address space. */
export const memorySyscalls: GuestSyscallTable = {
  214: { name: 'brk', args: 'p', note: 'whole', run: brk },
  215: {
    name: 'munmap',
    args: 'pn',
    note: 'whole',
    *run(guest) {
      return (yield* machineCall(guest, 'munmap', guest.u(0), guest.u(1))).ret;
    },
  },
  216: {
    name: 'mremap',
    args: 'pnnRp',
    note: 'whole',
    *run(guest) {
      if (guest.u(3) > MREMAP_ALL) return -EINVAL;
      return (yield* machineCall(guest, 'mremap', guest.u(0), guest.u(1), guest.u(2), guest.u(3), guest.u(4))).ret;
    },
  },
  222: {
    name: 'mmap',
    args: 'pnPMdl',
    note: 'MAP_GROWSDOWN has no effect',
    *run(guest) {
      const flags = guest.int(3) & ~IGNORED_MAP_FLAGS;
      const place = flags & MAP_FIXED ? guest.u(0) : Math.min(guest.u(0), TASK_SIZE);
      const args = [place, guest.u(1), guest.int(2), flags, guest.int(4), guest.s(5)];
      return (yield* machineCall(guest, 'mmap', ...args)).ret;
    },
  },
  226: {
    name: 'mprotect',
    args: 'pnP',
    note: 'whole',
    *run(guest) {
      return (yield* machineCall(guest, 'mprotect', guest.u(0), guest.u(1), guest.int(2))).ret;
    },
  },
  227: { name: 'msync', args: 'pnx', note: 'checks its arguments; there is no disk to write to', run: msync },
  228: {
    name: 'mlock',
    args: 'pn',
    note: 'without limit',
    *run(guest) {
      return (yield* machineCall(guest, 'mlock', guest.u(0), guest.u(1))).ret;
    },
  },
  229: {
    name: 'munlock',
    args: 'pn',
    note: 'whole',
    *run(guest) {
      return (yield* machineCall(guest, 'munlock', guest.u(0), guest.u(1))).ret;
    },
  },
  230: { name: 'mlockall', args: 'x', note: 'without limit', run: (guest) => doMlockall(guest.mm, guest.int(0)) },
  231: { name: 'munlockall', args: '', note: 'whole', run: (guest) => doMunlockall(guest.mm) },
  232: { name: 'mincore', args: 'pnp', note: 'pages that are mapped count as in memory', run: mincore },
  233: {
    name: 'madvise',
    args: 'pnV',
    note: 'as the machine has it',
    *run(guest) {
      return (yield* machineCall(guest, 'madvise', guest.u(0), guest.u(1), guest.int(2))).ret;
    },
  },
  284: {
    name: 'mlock2',
    args: 'pnx',
    note: 'without limit',
    *run(guest) {
      return (yield* machineCall(guest, 'mlock', guest.u(0), guest.u(1), guest.int(2))).ret;
    },
  },
  239: fixed('get_mempolicy', 'ppnpx', { ret: 0, note: 'one node: MPOL_DEFAULT' }),
  237: fixed('set_mempolicy', 'dpn', { ret: 0, note: 'one node: no effect' }),
  235: fixed('mbind', 'pndpnx', { ret: 0, note: 'one node: no effect' }),
};

/** Answers where the heap ends, whatever was asked for. Linux: mm/mmap.c:brk() */
function* brk(guest: GuestThread): Coroutine<number> {
  const image = guest.process.image!;
  const wanted = guest.u(0);
  if (wanted < image.layout.startBrk || wanted > TASK_SIZE) return image.brk;
  const oldEnd = pageUp(image.brk);
  const newEnd = pageUp(wanted);
  if (newEnd < oldEnd && (yield* doMunmap(guest.mm, newEnd, oldEnd - newEnd)) !== 0) return image.brk;
  if (newEnd > oldEnd) {
    const next = guest.mm.findVma(oldEnd);
    if (next !== null && next.start < newEnd + PAGE_SIZE) return image.brk;
    const range = { addr: oldEnd, len: newEnd - oldEnd, prot: PROT_READ | PROT_WRITE };
    if ((yield* mapAnonymous(guest.mm, range)) !== 0) return image.brk;
  }
  image.brk = wanted;
  return wanted;
}

function pageUp(addr: number): number {
  return Math.ceil(addr / PAGE_SIZE) * PAGE_SIZE;
}

/** Linux: mm/msync.c:msync(). There is no disk to write to. */
function* msync(guest: GuestThread): Coroutine<number> {
  const [start, len, flags] = [guest.u(0), pageUp(guest.u(1)), guest.int(2)];
  if (flags & ~MS_ALL || start % PAGE_SIZE !== 0 || (flags & MS_ASYNC && flags & MS_SYNC)) return -EINVAL;
  const { mm } = guest;
  yield* mm.mmapLock.readLock();
  const result = msyncResult(mm, { start, end: start + len, flags });
  mm.mmapLock.readUnlock();
  return result;
}

function msyncResult(mm: Mm, { start, end, flags }: { start: number; end: number; flags: number }): number {
  let result = 0;
  for (let at = start; at < end; ) {
    const vma = mm.findVma(at);
    if (vma === null || vma.start > at) result = -ENOMEM;
    if (vma === null || vma.start >= end) return result;
    if (flags & MS_INVALIDATE && vma.flags & VM.locked) return -EBUSY;
    at = vma.end;
  }
  return result;
}

function firstHole(mm: Mm, start: number, end: number): number | null {
  for (let at = start; at < end; ) {
    const vma = mm.vmaLookup(at);
    if (vma === null) return at;
    at = vma.end;
  }
  return null;
}

/** Linux: mm/mincore.c:do_mincore() */
function* mincore(guest: GuestThread): Coroutine<number> {
  const start = guest.u(0);
  const npages = Math.ceil(guest.u(1) / PAGE_SIZE);
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  const { mm } = guest;
  const end = start + npages * PAGE_SIZE;
  yield* mm.mmapLock.readLock();
  const hole = firstHole(mm, start, end);
  const out = new Uint8Array(hole === null ? npages : 0);
  for (let i = 0; i < out.length; i++) out[i] = isInCore(mm.vmaLookup(start + i * PAGE_SIZE)!, start / PAGE_SIZE + i);
  mm.mmapLock.readUnlock();
  return hole === null ? yield* writeUser(mm, guest.u(2), out) : -ENOMEM;
}

function isInCore(vma: Vma, vpn: number): number {
  const pmd = vma.mm.pageTable.pmdTable(vpn);
  const lo = pmd === null ? 0 : pmd.lo(pmdIndex(vpn));
  if (pmd !== null && kindOf(lo) === Kind.table) {
    return kindOf(pmd.child(pmdIndex(vpn))!.lo(pteIndex(vpn))) === Kind.present ? 1 : 0;
  }
  return kindOf(lo) === Kind.present ? 1 : 0;
}
