import type { Coroutine } from '../core/effect.js';
import { anonVmaPrepare } from './anon-rmap.js';
import { Pte } from './entry.js';
import { lockFaultEntry, type VmFault } from './fault.js';
import { FAULT, VM_FAULT } from './fault-code.js';
import { clearPage, folioAddLru, folioPut } from './folio.js';
import { ZERO_PFN } from './frame-allocator.js';
import { PG } from './frames.js';
import type { Memory } from './memory.js';
import { pteIndex } from './page-table.js';
import { mkPte } from './pte-build.js';
import { ptlUnlock } from './ptl.js';
import { folioAddNewAnonRmap } from './rmap.js';
import { VM } from './vm-flags.js';

/** First touch of anonymous memory: the zero page for a read, a cleared page for a write. Linux: do_anonymous_page() */
export function* doAnonymousPage(fault: VmFault): Coroutine<number> {
  const { vma } = fault;
  if (vma.flags & VM.shared) return VM_FAULT.sigbus;
  if (!(fault.flags & FAULT.write)) return mapZeroPage(fault);
  yield* anonVmaPrepare(vma);
  const { memory } = vma.mm;
  const pfn = allocZeroedPage(memory);
  if (pfn === 0) return VM_FAULT.oom;
  const table = lockFaultEntry(fault);
  if (table === null) {
    folioPut(memory, pfn);
    return 0;
  }
  vma.mm.rss.anon++;
  folioAddNewAnonRmap(memory, pfn, vma, fault.addr);
  folioAddLru(memory, pfn);
  const i = 2 * pteIndex(fault.vpn);
  table.entries[i] = mkPte(vma) | (vma.flags & VM.write ? Pte.write | Pte.dirty : 0);
  table.entries[i + 1] = pfn;
  ptlUnlock(vma.mm);
  return 0;
}

function mapZeroPage(fault: VmFault): number {
  const table = lockFaultEntry(fault);
  if (table === null) return 0;
  const i = 2 * pteIndex(fault.vpn);
  table.entries[i] = mkPte(fault.vma) | Pte.special;
  table.entries[i + 1] = ZERO_PFN;
  ptlUnlock(fault.vma.mm);
  return 0;
}

/** A frame full of zeroes with one reference, or 0. */
export function allocZeroedPage(memory: Memory): number {
  const pfn = memory.allocator.allocate();
  if (pfn === 0) return 0;
  clearPage(memory, pfn);
  memory.frames.flags[pfn]! |= PG.uptodate;
  return pfn;
}
