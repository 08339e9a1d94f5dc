import { EFAULT, EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { accessRemoteVm } from '../../mm/faults/access-remote-vm.js';
import { UserIter } from '../../mm/faults/iov-iter.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../../mm/vmas/mm.js';
import { importIovec, iovecFromUser } from '../../sys/processes/import-iovec.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

/** Pages that are pinned at a time. Linux: PVM_MAX_KMALLOC_PAGES */
const PINNED_PAGES = 1024;

/** Memory of other processes. */
export const processVmSyscalls: GuestSyscallTable = {
  270: { name: 'process_vm_readv', args: 'dpnpnx', note: 'whole', run: (guest) => processVmRw(guest, false) },
  271: { name: 'process_vm_writev', args: 'dpnpnx', note: 'whole', run: (guest) => processVmRw(guest, true) },
};

/** Linux: mm/process_vm_access.c:process_vm_rw() */
function* processVmRw(guest: GuestThread, write: boolean): Coroutine<number> {
  if (guest.u(5) !== 0) return -EINVAL;
  const local = yield* importIovec(guest.mm, guest.u(1), guest.u(2));
  if (typeof local === 'number') return local;
  if (local.count === 0) return 0;
  const vectors = yield* iovecFromUser(guest.mm, guest.u(3), guest.u(4));
  if (typeof vectors === 'number') return vectors;
  if (vectors.every(({ len }) => len === 0)) return 0;
  const { machine, owner } = guest.process;
  const process = machine.process(guest.int(0)) ?? machine.threadByTid(guest.int(0))?.process ?? null;
  if (process === null) return -ESRCH;
  if (process.owner !== owner) return -EPERM;
  if (!mmgetNotZero(process.mm)) return -ESRCH;
  const { mm } = process;
  const done = yield* processVmRwCore(mm, { local, remote: new UserIter(mm, vectors), write });
  yield* mmput(mm);
  return done;
}

/**
 * As far as both sides go, but all of the remote one is there afterwards; what arrived before a page that can't be had counts.
 * Linux: mm/process_vm_access.c:process_vm_rw_core()
 */
function* processVmRwCore(
  mm: Mm,
  { local, remote, write }: { local: UserIter; remote: UserIter; write: boolean },
): Coroutine<number> {
  let done = 0;
  for (;;) {
    const other = remote.here;
    if (local.count === 0 || other === null) return done;
    const pinnedBytes = Math.min(other.len, PINNED_PAGES * PAGE_SIZE - (other.addr % PAGE_SIZE));
    const bytes = new Uint8Array(Math.min(local.count, pinnedBytes));
    const ours = write ? yield* local.copyFrom(bytes) : bytes.length;
    const access = { bytes: bytes.subarray(0, ours), write, force: false, pinnedBytes };
    const theirs = yield* accessRemoteVm(mm, other.addr, access);
    const copied = write ? theirs : yield* local.copyTo(bytes.subarray(0, theirs));
    done += copied;
    if (copied < bytes.length) return done || -EFAULT;
    remote.advance(copied);
  }
}
