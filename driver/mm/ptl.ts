import { LockClass } from '../core/lock-class.js';
import type { Mm } from './mm.js';

/**
 * The page table lock. Code that holds it is a plain function, so nobody can be waiting for it: what is left of the
 * lock is the validator's check that its holder never sleeps and takes no outer lock.
 */
export function ptlLock(mm: Mm, nested = false): void {
  mm.memory.kernel.lockAcquired(LockClass.ptl, 'ptl', { mayWait: true, nested });
}

/** Entries may have changed under the lock, so what a TLB holds of this address space is dropped. */
export function ptlUnlock(mm: Mm): void {
  mm.tlbGeneration++;
  mm.memory.kernel.lockReleased(LockClass.ptl, 'ptl');
}

/** As `ptlUnlock`, where entries were only added: hardware caches no missing translations, so nothing is dropped. */
export function ptlUnlockAdded(mm: Mm): void {
  mm.memory.kernel.lockReleased(LockClass.ptl, 'ptl');
}
