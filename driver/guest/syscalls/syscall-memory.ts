import { EBUSY, EFAULT, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import { MAP_FIXED, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { TASK_SIZE } from '../../mm/tables/page-table.js';
import { doMincore } from '../../mm/vmas/mincore.js';
import { mlockall, munlockall } from '../../mm/vmas/mlock.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { vmMunmap } from '../../mm/vmas/munmap.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { Mempolicy } from '../../sys/processes/thread.js';
import { readUserView, words32, writeUser } from '../../sys/processes/user-memory.js';
import { mapAnonymous } from '../exec.js';
import { type GuestSyscallTable, machineCall } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const MREMAP_ALL = 7;
const MS_ASYNC = 1;
const MS_INVALIDATE = 2;
const MS_SYNC = 4;
const MS_ALL = MS_ASYNC | MS_INVALIDATE | MS_SYNC;

/** The address space. */
export const memorySyscalls: GuestSyscallTable = {
  214: { name: 'brk', args: 'p', note: 'whole', run: brk },
  215: {
    name: 'munmap',
    args: 'pn',
    note: 'whole',
    run: (guest) => machineCall(guest, 'munmap', guest.u(0), guest.u(1)),
  },
  216: {
    name: 'mremap',
    args: 'pnnRp',
    note: 'whole',
    *run(guest) {
      if (guest.u(3) > MREMAP_ALL) return -EINVAL;
      return yield* machineCall(guest, 'mremap', guest.u(0), guest.u(1), guest.u(2), guest.u(3), guest.u(4));
    },
  },
  222: {
    name: 'mmap',
    args: 'pnPMdl',
    note: 'MAP_GROWSDOWN maps the stack whole',
    *run(guest) {
      const flags = guest.int(3);
      const place = flags & MAP_FIXED ? guest.u(0) : Math.min(guest.u(0), TASK_SIZE);
      const args = [place, guest.u(1), guest.int(2), flags, guest.int(4), guest.s(5)];
      return yield* machineCall(guest, 'mmap', ...args);
    },
  },
  226: {
    name: 'mprotect',
    args: 'pnP',
    note: 'whole',
    run: (guest) => machineCall(guest, 'mprotect', guest.u(0), guest.u(1), guest.int(2)),
  },
  227: { name: 'msync', args: 'pnx', note: 'checks its arguments; there is no disk to write to', run: msync },
  228: {
    name: 'mlock',
    args: 'pn',
    note: 'without limit',
    run: (guest) => machineCall(guest, 'mlock', guest.u(0), guest.u(1)),
  },
  229: {
    name: 'munlock',
    args: 'pn',
    note: 'whole',
    run: (guest) => machineCall(guest, 'munlock', guest.u(0), guest.u(1)),
  },
  230: { name: 'mlockall', args: 'x', note: 'without limit', run: (guest) => mlockall(guest.mm, guest.int(0)) },
  231: { name: 'munlockall', args: '', note: 'whole', run: (guest) => munlockall(guest.mm) },
  232: { name: 'mincore', args: 'pnp', note: 'whole', run: mincore },
  233: {
    name: 'madvise',
    args: 'pnV',
    note: 'as the machine has it',
    run: (guest) => machineCall(guest, 'madvise', guest.u(0), guest.u(1), guest.int(2)),
  },
  284: {
    name: 'mlock2',
    args: 'pnx',
    note: 'without limit',
    run: (guest) => machineCall(guest, 'mlock', guest.u(0), guest.u(1), guest.int(2)),
  },
  234: {
    name: 'remap_file_pages',
    args: 'pnPnM',
    note: 'whole',
    run: (guest) => machineCall(guest, 'remapFilePages', ...[0, 1, 2, 3, 4].map((i) => guest.u(i))),
  },
  236: { name: 'get_mempolicy', args: 'ppnpx', note: 'of a task; of memory MPOL_DEFAULT', run: kernelGetMempolicy },
  237: {
    name: 'set_mempolicy',
    args: 'dpn',
    note: 'kept; with one node it changes nothing',
    run: kernelSetMempolicy,
  },
  235: { name: 'mbind', args: 'pndpnx', note: 'checked, not kept: with one node it changes nothing', run: mbind },
};

/** Answers where the heap ends, whatever was asked for. Linux: mm/mmap.c:brk() */
function* brk(guest: GuestThread): Coroutine<number> {
  const image = guest.process.image!;
  const wanted = guest.u(0);
  if (wanted < image.layout.startBrk || wanted > TASK_SIZE) return image.brk;
  const oldEnd = pageUp(image.brk);
  const newEnd = pageUp(wanted);
  if (newEnd < oldEnd && (yield* vmMunmap(guest.mm, newEnd, oldEnd - newEnd)) !== 0) return image.brk;
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

/** Linux: mm/mincore.c:mincore() */
function* mincore(guest: GuestThread): Coroutine<number> {
  const start = guest.u(0);
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  const { vec, ret } = yield* doMincore(guest.mm, start, Math.ceil(guest.u(1) / PAGE_SIZE));
  if ((yield* writeUser(guest.mm, guest.u(2), Uint8Array.from(vec))) !== 0) return -EFAULT;
  return ret;
}

const MPOL_F_NODE = 1;
const MPOL_F_ADDR = 2;
const MPOL_F_MEMS_ALLOWED = 4;
/** Bytes of a mask of nodes, of which there is one. */
const NODE_MASK_BYTES = 8;

const MPOL_DEFAULT = 0;
const MPOL_PREFERRED = 1;
const MPOL_BIND = 2;
const MPOL_INTERLEAVE = 3;
const MPOL_LOCAL = 4;
const MPOL_PREFERRED_MANY = 5;
const MPOL_WEIGHTED_INTERLEAVE = 6;
const MPOL_MAX = 7;
const MPOL_F_STATIC_NODES = 1 << 15;
const MPOL_F_RELATIVE_NODES = 1 << 14;
const MPOL_F_NUMA_BALANCING = 1 << 13;
const MPOL_NODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;
const MPOL_MODE_FLAGS = MPOL_NODE_FLAGS | MPOL_F_NUMA_BALANCING;
/** Strict, move, move all. */
const MPOL_MF_VALID = 7;

/**
 * A policy that a machine of one node can have, null for the default one, or a negative errno.
 * Linux: part of mm/mempolicy.c:sanitize_mpol_flags(), get_nodes() and mpol_new()
 */
function* mempolicyOf(
  guest: GuestThread,
  asked: number,
  nmask: number,
  maxnode: number,
): Coroutine<Mempolicy | null | number> {
  const mode = asked & ~MPOL_MODE_FLAGS;
  if (mode < 0 || mode >= MPOL_MAX || (asked & MPOL_NODE_FLAGS) === MPOL_NODE_FLAGS) return -EINVAL;
  if (asked & MPOL_F_NUMA_BALANCING && mode !== MPOL_BIND && mode !== MPOL_PREFERRED_MANY) return -EINVAL;
  if (nmask !== 0 && maxnode === 0) return -EINVAL;
  const bits = nmask === 0 ? 0 : maxnode - 1;
  if (bits > PAGE_SIZE * 8) return -EINVAL;
  const mask =
    bits === 0 ? new DataView(new ArrayBuffer(8)) : yield* readUserView(guest.mm, nmask, Math.ceil(bits / 64) * 8);
  if (typeof mask === 'number') return mask;
  const nodes = new Uint8Array(mask.buffer, mask.byteOffset, mask.byteLength);
  if (nodes.subarray(NODE_MASK_BYTES).some((byte) => byte !== 0)) return -EINVAL;
  const isEmpty = nodes.every((byte) => byte === 0);
  // Of nodes that are not there at least one must be left.
  if (!isEmpty && !(nodes[0]! & 1)) return -EINVAL;
  if (mode === MPOL_DEFAULT) return isEmpty ? null : -EINVAL;
  const allowsNodes = mode !== MPOL_LOCAL;
  const allowsNone = mode === MPOL_LOCAL || mode === MPOL_PREFERRED;
  if (isEmpty ? !allowsNone || (asked & MPOL_NODE_FLAGS) !== 0 : !allowsNodes) return -EINVAL;
  return isEmpty ? { mode: MPOL_LOCAL, hasNode: false } : { mode: asked, hasNode: true };
}

/** Linux: mm/mempolicy.c:kernel_set_mempolicy() */
function* kernelSetMempolicy(guest: GuestThread): Coroutine<number> {
  const policy = yield* mempolicyOf(guest, guest.int(0), guest.u(1), guest.u(2));
  if (typeof policy === 'number') return policy;
  guest.thread.mempolicy = policy;
  return 0;
}

/** Linux: part of mm/mempolicy.c:do_mbind() */
function* mbind(guest: GuestThread): Coroutine<number> {
  const [start, len, flags] = [guest.u(0), guest.u(1), guest.u(5)];
  const policy = yield* mempolicyOf(guest, guest.int(2), guest.u(3), guest.u(4));
  if (typeof policy === 'number') return policy;
  const bytes = Math.ceil(len / PAGE_SIZE) * PAGE_SIZE;
  const end = start + (bytes === 2 ** 64 ? 0 : bytes);
  if (flags & ~MPOL_MF_VALID || start % PAGE_SIZE !== 0 || end >= 2 ** 64) return -EINVAL;
  // A hole is no error for the default policy.
  for (let at = start; at < end && policy !== null; ) {
    const vma = guest.mm.vmaLookup(at);
    if (vma === null) return -EFAULT;
    at = vma.end;
  }
  return 0;
}

/** Of a task, and of memory the default one: mbind(2) leaves nothing, as there is one node. Linux: mm/mempolicy.c:kernel_get_mempolicy() */
function* kernelGetMempolicy(guest: GuestThread): Coroutine<number> {
  const [policy, nmask, maxnode, addr, flags] = [guest.u(0), guest.u(1), guest.u(2), guest.u(3), guest.u(4)];
  const maskBytes = Math.ceil((maxnode - 1) / 64) * 8;
  if (nmask !== 0 && (maxnode < 1 || maskBytes > PAGE_SIZE)) return -EINVAL;
  if (flags > (MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) return -EINVAL;
  const isAllowed = (flags & MPOL_F_MEMS_ALLOWED) !== 0;
  if (isAllowed && flags !== MPOL_F_MEMS_ALLOWED) return -EINVAL;
  if (!isAllowed && flags & MPOL_F_ADDR) {
    if (guest.mm.vmaLookup(addr) === null) return -EFAULT;
  } else if (!isAllowed && addr !== 0) return -EINVAL;
  const own = isAllowed || flags & MPOL_F_ADDR ? null : guest.thread.mempolicy;
  const isNode = (flags & MPOL_F_NODE) !== 0;
  if (isNode && !(flags & MPOL_F_ADDR) && !interleaves(own)) return -EINVAL;
  // The one node is 0, and so is MPOL_DEFAULT.
  const answer = isNode ? 0 : (own?.mode ?? MPOL_DEFAULT);
  if (policy !== 0 && (yield* writeUser(guest.mm, policy, words32(answer))) !== 0) return -EFAULT;
  if (nmask === 0) return 0;
  const mask = new Uint8Array(Math.max(maskBytes, 0));
  if ((isAllowed || own?.hasNode) && mask.length >= NODE_MASK_BYTES) mask[0] = 1;
  return yield* writeUser(guest.mm, nmask, mask);
}

/** These alone have a next node. */
function interleaves(policy: Mempolicy | null): boolean {
  const mode = policy === null ? MPOL_DEFAULT : policy.mode & ~MPOL_MODE_FLAGS;
  return mode === MPOL_INTERLEAVE || mode === MPOL_WEIGHTED_INTERLEAVE;
}
