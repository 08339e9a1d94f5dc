import { EBUSY, ENOMEM } from '../../uapi/errno.js';
import { clearPage, folioPut } from '../mm/frames/folio.js';
import { PAGE_SIZE, PG } from '../mm/frames/frames.js';
import { folioAddFileRmapPte } from '../mm/frames/rmap.js';
import type { Memory } from '../mm/memory.js';
import { pteIndex } from '../mm/tables/page-table.js';
import { addMmCounter, mkPte } from '../mm/tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../mm/tables/ptl.js';
import { VM } from '../mm/vmas/vm-flags.js';
import type { Vma } from '../mm/vmas/vma.js';

/**
 * Fills a new mapping of a device file with zeroed pages of its own, which live as long as they are mapped. 0, or -ENOMEM
 * with the pages so far in place; the caller unmaps them. The mmap_lock is held for write.
 * Linux: lib/test_hmm.c:dmirror_fops_mmap()
 */
export function dmirrorFopsMmap(memory: Memory, vma: Vma): number {
  for (let addr = vma.start; addr < vma.end; addr += PAGE_SIZE) {
    const pfn = memory.allocator.allocate();
    if (pfn === 0) return -ENOMEM;
    clearPage(memory, pfn);
    memory.frames.setFlags(pfn, PG.uptodate);
    const error = vmInsertPage(vma, addr, pfn);
    if (error !== 0) {
      folioPut(memory, pfn);
      return error;
    }
  }
  return 0;
}

/** Maps a page, whose reference goes to the entry. 0, or -EBUSY when something is mapped. Linux: mm/memory.c:vm_insert_page() */
function vmInsertPage(vma: Vma, addr: number, pfn: number): number {
  const { mm } = vma;
  const vpn = addr / PAGE_SIZE;
  vma.flags |= VM.mixedmap;
  const table = mm.pageTable.pteTableAlloc(vpn);
  const i = pteIndex(vpn);
  ptlLock(mm);
  if (table.lo(i) !== 0) {
    ptlUnlock(mm);
    return -EBUSY;
  }
  addMmCounter(mm, pfn, 1);
  folioAddFileRmapPte(mm.memory, pfn);
  table.set(i, mkPte(vma), pfn);
  ptlUnlock(mm);
  return 0;
}
