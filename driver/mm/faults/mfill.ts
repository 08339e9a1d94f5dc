import { EEXIST, EFAULT, ENOMEM } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { filemapRemoveFolio, shmemAddToPageCache } from '../files/filemap.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { folioAddLru, folioPut, folioSetLocked, folioUnlock } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddFileRmapPte, folioAddNewAnonRmap } from '../frames/rmap.js';
import { Pte } from '../tables/entry.js';
import { pteIndex } from '../tables/page-table.js';
import { maybeMkwrite, mkPte } from '../tables/pte-build.js';
import { ptlUnlock } from '../tables/ptl.js';
import type { Vma } from '../vmas/vma.js';
import { FAULT } from './fault-code.js';
import { pteOffsetMapLock } from './vm-fault.js';

/**
 * Puts a page with these bytes where nothing is: it has them before anybody can find it, in the page table or in the file.
 * 0, or what userfaultfd answers. The caller holds mmap_lock.
 * Linux: mm/userfaultfd.c:mfill_atomic_pte_copy(), mm/shmem.c:shmem_mfill_atomic_pte()
 */
export function* mfillAtomicPteCopy(vma: Vma, addr: number, bytes: Uint8Array): Coroutine<number> {
  const { memory, pageTable } = vma.mm;
  const { inject } = memory.kernel;
  if (pageTable.pteTable(addr / PAGE_SIZE) === null) {
    if (inject.armed && inject.hit(InjectPoint.pageTableAlloc) !== 0) return -ENOMEM;
    if (!memory.kernelMemory.has(1)) return -ENOMEM;
  }
  if (vma.file === null) yield* anonVmaPrepare(vma);
  const pfn = memory.allocator.allocate();
  if (pfn === 0) return -ENOMEM;
  memory.contentChanges(pfn);
  memory.bytes.set(bytes, pfn * PAGE_SIZE);
  memory.frames.setFlags(pfn, PG.uptodate);
  const error = vma.file === null ? 0 : addToFile(vma, addr, pfn);
  if (error !== 0) {
    folioPut(memory, pfn);
    return error;
  }
  return yield* mfillAtomicInstallPte(vma, addr, pfn);
}

/** The folio is new, so its lock is free. */
function addToFile(vma: Vma, addr: number, pfn: number): number {
  const { memory } = vma.mm;
  const mapping = vma.file!.mapping!;
  const index = vma.linearPageIndex(addr);
  if (index * PAGE_SIZE >= mapping.size) return -EFAULT;
  if (mapping.pages.get(index) !== 0) return -EEXIST;
  memory.frames.setFlags(pfn, PG.swapbacked);
  folioSetLocked(memory, pfn);
  shmemAddToPageCache(memory, pfn, mapping, index);
  return 0;
}

/** The folio's reference goes to the entry, and its lock, of a file's, is dropped. Linux: mm/userfaultfd.c:mfill_atomic_install_pte() */
function* mfillAtomicInstallPte(vma: Vma, addr: number, pfn: number): Coroutine<number> {
  const { mm, file } = vma;
  const { memory } = mm;
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.ptl;
  const vpn = addr / PAGE_SIZE;
  const table = pteOffsetMapLock({ vma, addr, vpn, flags: FAULT.write, lo: 0, hi: 0 });
  if (table !== null) {
    if (file === null) {
      mm.rss.anon++;
      folioAddNewAnonRmap(memory, pfn, vma, addr);
    } else {
      mm.rss.shmem++;
      folioAddFileRmapPte(memory, pfn);
    }
    folioAddLru(memory, pfn);
    table.set(pteIndex(vpn), maybeMkwrite(mkPte(vma) | Pte.dirtied, vma), pfn);
    ptlUnlock(mm);
  }
  if (file !== null) {
    if (table === null) filemapRemoveFolio(memory, pfn);
    if (scheduler.isFine) yield FINE.folioLock;
    folioUnlock(memory, pfn);
  }
  if (table === null) folioPut(memory, pfn);
  return table === null ? -EEXIST : 0;
}
