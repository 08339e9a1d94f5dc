import { UFFD_EVENT, UFFD_FEATURE, UFFD_PAGEFAULT_FLAG } from '../../../uapi/userfaultfd.js';
import type { Coroutine } from '../../core/effect.js';
import type { Task } from '../../core/task.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { FAULT, VM_FAULT } from '../faults/fault-code.js';
import type { VmFault } from '../faults/vm-fault.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { pmdIndex, pteIndex } from '../tables/page-table.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { UFFD_USER_MODE_ONLY, type UserfaultCtx, type UserfaultWait } from './ctx.js';

/**
 * Tells the reader of the vma's userfaultfd of a fault, lets go of mmap_lock, and sleeps until somebody wakes the waiters of the page
 * or a signal comes: VM_FAULT.retry. Or VM_FAULT.sigbus, with the lock, when the fault can't wait or the reader wants that. `reason`
 * is one VM_UFFD flag.
 * Linux: fs/userfaultfd.c:handle_userfault()
 */
export function* handleUserfault(
  fault: Pick<VmFault, 'vma' | 'addr' | 'realAddr' | 'flags'>,
  reason: number,
): Coroutine<number> {
  const { vma, flags, addr } = fault;
  const { mm, userfault: ctx } = vma;
  const { current } = mm.memory.kernel;
  mmapAssertLocked(mm);
  if (ctx === null || ctx.has(UFFD_FEATURE.sigbus)) return VM_FAULT.sigbus;
  if (!(flags & FAULT.user) && ctx.flags & UFFD_USER_MODE_ONLY) return VM_FAULT.sigbus;
  if (!(flags & FAULT.allowRetry)) return VM_FAULT.sigbus;
  if (ctx.released || current.killed) {
    mm.mmapLock.readUnlock();
    return VM_FAULT.retry;
  }
  ctx.userfaultfdCtxGet();
  const queue = new WaitQueue(`userfault at 0x${addr.toString(16)}`);
  const wait: UserfaultWait = { msg: userfaultMsg(ctx, fault, reason), addr, isRead: false, queue };
  ctx.waits.push(wait);
  const mustWait = userfaultfdMustWait(vma, addr, reason);
  mm.mmapLock.readUnlock();
  if (mustWait) {
    ctx.tell();
    yield* sleepUntilServed(current, queue, flags);
  }
  ctx.forget(wait);
  ctx.userfaultfdCtxPut();
  return VM_FAULT.retry;
}

/**
 * The kernel's own access waits on when a signal comes that is not fatal: Linux would only try it again at once.
 * Linux: part of fs/userfaultfd.c:userfaultfd_get_blocking_state()
 */
function* sleepUntilServed(task: Task, queue: WaitQueue, flags: number): Coroutine<void> {
  const isInterruptible = (flags & FAULT.user) !== 0;
  if (isInterruptible && task.program?.signalPending()) return;
  task.isInterruptible = isInterruptible;
  yield queue;
  task.isInterruptible = false;
}

/** Linux: fs/userfaultfd.c:userfault_msg() */
function userfaultMsg(
  ctx: UserfaultCtx,
  { addr, realAddr, flags }: Pick<VmFault, 'addr' | 'realAddr' | 'flags'>,
  reason: number,
): UserfaultWait['msg'] {
  let bits = flags & FAULT.write ? UFFD_PAGEFAULT_FLAG.write : 0;
  if (reason === VM.uffdWp) bits |= UFFD_PAGEFAULT_FLAG.wp;
  if (reason === VM.uffdMinor) bits |= UFFD_PAGEFAULT_FLAG.minor;
  const address = ctx.has(UFFD_FEATURE.exactAddress) ? realAddr : addr;
  const ptid = ctx.has(UFFD_FEATURE.threadId) ? (ctx.mm.memory.kernel.current.program?.tid ?? 0) : 0;
  return { event: UFFD_EVENT.pagefault, words: [bits, address, ptid] };
}

/** Nobody has served the page between the fault and now. Linux: fs/userfaultfd.c:userfaultfd_must_wait(), userfaultfd_huge_must_wait() */
function userfaultfdMustWait({ mm }: Vma, addr: number, reason: number): boolean {
  const vpn = addr / PAGE_SIZE;
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return true;
  const leaf = pmd.child(pmdIndex(vpn));
  const lo = leaf === null ? pmd.loLockless(pmdIndex(vpn)) : leaf.loLockless(pteIndex(vpn));
  const kind = kindOf(lo);
  if (kind === Kind.none || kind === Kind.marker) return true;
  return kind === Kind.present && !(lo & Pte.write) && reason === VM.uffdWp;
}
