import { LockClass } from '../../core/lock-class.js';
import type { Mm } from '../vmas/mm.js';

/**
 * The page table lock. Code that holds it is a plain function, so nobody can be waiting for it: what is left of the
 * lock is the validator's check that its holder never sleeps and takes no outer lock.
 */
export function ptlLock(mm: Mm, nested = false): void {
  mm.memory.kernel.lockAcquired(LockClass.ptl, 'ptl', { mayWait: true, nested });
}

/** What the section took away is flushed by now, or `mm.tlbFlushPending` counts who will do it (tlb.ts). */
export function ptlUnlock(mm: Mm): void {
  mm.memory.kernel.lockReleased(LockClass.ptl, 'ptl');
}

/** The caller has the ptl, of whichever address space. */
export function ptlAssertHeld(mm: Mm): void {
  mm.memory.kernel.assertHeld(LockClass.ptl);
}
