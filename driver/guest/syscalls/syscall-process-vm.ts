import { EFAULT, EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import { readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { accessRemoteVm } from '../../mm/faults/access-remote-vm.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../../mm/vmas/mm.js';
import { readUser, readUserView, writeUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const IOV_BYTES = 16;
const IOV_MAX = 1024;
const MAX_RW_COUNT = 0x7ffff000;
/** Bytes that are under way at a time. */
const CHUNK_BYTES = 65536;

/** Memory of other processes. */
export const processVmSyscalls: GuestSyscallTable = {
  270: { name: 'process_vm_readv', args: 'dpnpnx', note: 'whole', run: (guest) => processVmRw(guest, false) },
  271: { name: 'process_vm_writev', args: 'dpnpnx', note: 'whole', run: (guest) => processVmRw(guest, true) },
};

/** A place in a list of stretches of memory. */
class IovIter {
  private at = 0;
  private offset = 0;

  constructor(private readonly vectors: readonly { readonly addr: number; readonly len: number }[]) {}

  /** The next address, and how many bytes go on from it; null at the end. */
  get here(): { addr: number; len: number } | null {
    while (this.at < this.vectors.length && this.offset === this.vectors[this.at]!.len) {
      this.at++;
      this.offset = 0;
    }
    const vector = this.vectors[this.at];
    return vector === undefined ? null : { addr: vector.addr + this.offset, len: vector.len - this.offset };
  }

  advance(bytes: number): void {
    this.offset += bytes;
  }
}

function* importIovec(guest: GuestThread, addr: number, count: number): Coroutine<IovIter | number> {
  if (count > IOV_MAX) return -EINVAL;
  const view = yield* readUserView(guest.mm, addr, count * IOV_BYTES);
  if (typeof view === 'number') return view;
  const vectors = Array.from({ length: count }, (_, i) => ({
    addr: readU64(view, i * IOV_BYTES),
    len: readU64(view, i * IOV_BYTES + 8),
  }));
  const total = vectors.reduce((sum, { len }) => sum + len, 0);
  return total > MAX_RW_COUNT ? -EINVAL : new IovIter(vectors);
}

/** Linux: mm/process_vm_access.c:process_vm_rw() */
function* processVmRw(guest: GuestThread, write: boolean): Coroutine<number> {
  if (guest.u(5) !== 0) return -EINVAL;
  const local = yield* importIovec(guest, guest.u(1), guest.u(2));
  if (typeof local === 'number') return local;
  if (local.here === null) return 0;
  const remote = yield* importIovec(guest, guest.u(3), guest.u(4));
  if (typeof remote === 'number') return remote;
  const { machine, owner } = guest.process;
  const process = machine.process(guest.int(0)) ?? machine.threadByTid(guest.int(0))?.process ?? null;
  if (process === null) return -ESRCH;
  if (process.owner !== owner) return -EPERM;
  if (!mmgetNotZero(process.mm)) return -ESRCH;
  const { mm } = process;
  const done = yield* copyAll(guest, mm, { local, remote, write });
  yield* mmput(mm);
  return done;
}

function* copyAll(
  guest: GuestThread,
  mm: Mm,
  { local, remote, write }: { local: IovIter; remote: IovIter; write: boolean },
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
