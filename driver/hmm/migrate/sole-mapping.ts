import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { Kind, kindOf } from '../../mm/tables/entry.js';
import { removeMigrationPte } from '../../mm/tables/migration-entries.js';
import { pteIndex } from '../../mm/tables/page-table.js';
import { ptlLock, ptlUnlock } from '../../mm/tables/ptl.js';

/**
 * `removeMigrationPtes` for the common page: small, anonymous, with one vma that may map it, while nobody else could
 * run, so that taking the rmap lock is no scheduling point, and nobody watches the locks. It counts as the rmap walk that it replaces. False when the
 * page is not of that kind; then nothing was done.
 */
export function restoreSoleMapping(memory: Memory, from: number, to: number): boolean {
  const { frames, kernel } = memory;
  frames.assertLocked(from);
  if (kernel.scheduler.contended || kernel.scheduler.isFine || kernel.trace.verbose) return false;
  if (frames.order(frames.head(to)) > 0 || !frames.isAnon(to)) return false;
  const anonVma = memory.anonVmas.get(frames.mapping(to));
  if (anonVma === undefined || anonVma.vmas.length !== 1 || anonVma.lock.isWriteLocked) return false;
  memory.stats.removeMigrationPtes++;
  const vma = anonVma.vmas[0]!;
  const index = frames.index(to);
  const addr = index >= vma.pgoff ? vma.addressOf(index) : -1;
  if (addr < 0) return true;
  const table = vma.mm.pageTable.pteTable(addr / PAGE_SIZE);
  if (table === null) return true;
  const i = pteIndex(addr / PAGE_SIZE);
  ptlLock(vma.mm);
  if (kindOf(table.lo(i)) === Kind.migration && table.hi(i) === from) {
    removeMigrationPte(vma, { table, index: i, newPfn: to });
  }
  ptlUnlock(vma.mm);
  return true;
}
