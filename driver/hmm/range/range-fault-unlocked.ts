import { EBUSY, EFAULT, EINTR, EINVAL } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, preemptPoint } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { mmuIntervalReadBegin } from '../interval-notifier.js';
import type { HmmRange } from './hmm-range.js';
import { type DroppableLock, hmmRangeFault } from './range-fault.js';

const RETRY_POINT = preemptPoint('hmm_range_fault_unlocked');

/**
 * As `hmmRangeFault` for a caller without mmap_lock: the lock is taken here, and let go of while somebody else serves a fault
 * (userfaultfd). Begins again until nothing has changed on the way; with `timeoutTicks` above 0 only for so long, counted from the last
 * fault that was served, then -EBUSY. -EINTR for a task that is being killed, -EFAULT for an address space that a failed fork has left half
 * made, else what `hmmRangeFault` returns. No migration goes with it. Linux: mm/hmm.c:hmm_range_fault_unlocked_timeout() of 7.3
 */
export function* hmmRangeFaultUnlockedTimeout(range: HmmRange, timeoutTicks: number): Coroutine<number> {
  const { notifier } = range;
  assert(notifier !== null && range.migrate === null, 'an unlocked range fault mirrors and does not migrate');
  if (range.start >= range.end) return -EINVAL;
  const { mm } = notifier;
  mm.memory.kernel.checkOrder(mm.memory.kernel.current, LockClass.mmapLock, false);
  const { scheduler, current } = mm.memory.kernel;
  let deadline = 0;
  for (let isLocked = false; ; yield RETRY_POINT) {
    if (!isLocked) deadline = scheduler.now() + timeoutTicks;
    range.notifierSeq = yield* mmuIntervalReadBegin(notifier);
    yield* mm.mmapLock.readLock();
    const isLate = timeoutTicks > 0 && scheduler.now() > deadline;
    let ret = current.killed ? -EINTR : mm.isUnstable ? -EFAULT : isLate ? -EBUSY : 0;
    if (ret !== 0) {
      mm.mmapLock.readUnlock();
      return ret;
    }
    const lock: DroppableLock = { isHeld: true };
    ret = yield* hmmRangeFault(range, lock);
    isLocked = lock.isHeld;
    if (isLocked) mm.mmapLock.readUnlock();
    if (ret !== -EBUSY) return ret;
  }
}
