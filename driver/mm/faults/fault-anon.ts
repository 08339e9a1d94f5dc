import { type Coroutine, FINE } from '../../core/effect.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { clearPage, folioAddLru, folioPut } from '../frames/folio.js';
import { ZERO_PFN } from '../frames/frame-allocator.js';
import { PG } from '../frames/frames.js';
import { folioAddNewAnonRmap } from '../frames/rmap.js';
import type { Memory } from '../memory.js';
import { Pte } from '../tables/entry.js';
import { pteIndex } from '../tables/page-table.js';
import { mkPte } from '../tables/pte-build.js';
import { ptlUnlock } from '../tables/ptl.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { VM } from '../vmas/vm-flags.js';
import { FAULT, VM_FAULT } from './fault-code.js';
import { keepUffdWp, pteOffsetMapLock, type VmFault } from './vm-fault.js';

/** First touch of anonymous memory: the zero page for a read, a cleared page for a write. Linux: mm/memory.c:do_anonymous_page() */
export function* doAnonymousPage(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  if (vma.flags & VM.shared) return VM_FAULT.sigbus;
  if (!(fault.flags & FAULT.write)) return yield* mapZeroPage(fault);
  yield* anonVmaPrepare(vma);
  const { memory } = vma.mm;
  const pfn = allocZeroedPage(memory);
  if (pfn === 0) return VM_FAULT.oom;
  if (memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table === null) {
    folioPut(memory, pfn);
    return 0;
  }
  if (vma.flags & VM.uffdMissing) {
    ptlUnlock(vma.mm);
    folioPut(memory, pfn);
    return yield* handleUserfault(fault, VM.uffdMissing);
  }
  vma.mm.rss.anon++;
  folioAddNewAnonRmap(memory, pfn, vma, fault.addr);
  folioAddLru(memory, pfn);
  const i = pteIndex(fault.vpn);
  const lo = mkPte(vma) | (vma.flags & VM.write ? Pte.write | Pte.dirtied : 0);
  table.set(i, keepUffdWp(fault, lo), pfn);
  ptlUnlock(vma.mm);
  return 0;
}

function* mapZeroPage(fault: VmFault): Coroutine<number> {
  if (fault.vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table === null) return 0;
  if (fault.vma.flags & VM.uffdMissing) {
    ptlUnlock(fault.vma.mm);
    return yield* handleUserfault(fault, VM.uffdMissing);
  }
  const i = pteIndex(fault.vpn);
  table.set(i, keepUffdWp(fault, mkPte(fault.vma) | Pte.special), ZERO_PFN);
  ptlUnlock(fault.vma.mm);
  return 0;
}

/** A frame full of zeroes with one reference, or 0. */
export function allocZeroedPage(memory: Memory): number {
  const pfn = memory.allocator.allocate();
  if (pfn === 0) return 0;
  clearPage(memory, pfn);
  memory.frames.setFlags(pfn, PG.uptodate);
  return pfn;
}
