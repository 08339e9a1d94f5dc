import { EFAULT, EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { accessRemoteVm } from '../../mm/faults/access-remote-vm.js';
import { UserIter } from '../../mm/faults/iov-iter.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../../mm/vmas/mm.js';
import { importIovec, iovecFromUser } from '../../sys/processes/import-iovec.js';
import { readUser, writeUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

/** Bytes that are under way at a time. */
const CHUNK_BYTES = 65536;

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
  const { machine, owner } = guest.process;
  const process = machine.process(guest.int(0)) ?? machine.threadByTid(guest.int(0))?.process ?? null;
  if (process === null) return -ESRCH;
  if (process.owner !== owner) return -EPERM;
  if (!mmgetNotZero(process.mm)) return -ESRCH;
  const { mm } = process;
  const done = yield* copyAll(guest, mm, { local, remote: new UserIter(mm, vectors), write });
  yield* mmput(mm);
  return done;
}

function* copyAll(
  guest: GuestThread,
  mm: Mm,
  { local, remote, write }: { local: UserIter; remote: UserIter; write: boolean },
): Coroutine<number> {
  let done = 0;
  for (;;) {
    const [own, other] = [local.here, remote.here];
    if (own === null || other === null) return done;
    const wanted = Math.min(own.len, other.len, CHUNK_BYTES);
    const bytes = write ? yield* readUser(guest.mm, own.addr, wanted) : new Uint8Array(wanted);
    if (typeof bytes === 'number') return done || bytes;
    const copied = yield* accessRemoteVm(mm, other.addr, { bytes, write, force: false });
    const error = write ? 0 : yield* writeUser(guest.mm, own.addr, bytes.subarray(0, copied));
    if (error !== 0) return done || error;
    done += copied;
    if (copied < wanted) return done || -EFAULT;
    local.advance(copied);
    remote.advance(copied);
  }
}
