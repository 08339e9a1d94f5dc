import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { folioPut, folioUnlock } from '../../mm/frames/folio.js';
import { removeMigrationPtes } from '../../mm/tables/migration-entries.js';
import { isLockedByFault, pagesOf } from '../migrate/migrate-vma.js';
import { HmmPfn, type HmmRange } from './hmm-range.js';
import type { HmmVmaWalk } from './hmm-vma-walk.js';

/**
 * Puts every prepared page back where it was; the caller holds the mmap_lock for read. All of them lie below the first entry that is
 * still a request, so the count ends the loop before a request could be taken for an answer.
 */
export function* undoPrepared(walk: HmmVmaWalk): Coroutine<void> {
  const { range, memory } = walk;
  const isPrepared = HmmPfn.valid | HmmPfn.migrate;
  memory.kernel.mightSleep();
  if (walk.prepared > 0) memory.kernel.assertHeld(LockClass.mmapLock);
  for (let i = 0; walk.prepared > 0; i++) {
    assert(i < pagesOf(range), 'a prepared page is not in the range any more');
    if ((range.flags[i]! & isPrepared) !== isPrepared) continue;
    const pfn = range.pfns[i]!;
    memory.frames.assertLocked(pfn);
    yield* removeMigrationPtes(memory, pfn, pfn);
    range.flags[i] = 0;
    if (memory.kernel.scheduler.isFine) yield FINE.folioLock;
    if (!isLockedByFault(memory, range.migrate!.faultPfn, pfn)) folioUnlock(memory, pfn);
    if (memory.kernel.scheduler.isFine) yield FINE.refcount;
    folioPut(memory, pfn);
    walk.prepared--;
  }
}

/** After an error nothing is reported, so that nobody goes on with what was undone. */
export function clearAnswers(range: HmmRange): void {
  const npages = pagesOf(range);
  range.flags.fill(0, 0, npages);
  range.pfns.fill(0, 0, npages);
  range.migrate!.npages = 0;
  range.migrate!.cpages = 0;
}
