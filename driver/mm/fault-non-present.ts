import type { Coroutine } from '../core/effect.js';
import { FaultPoint } from '../core/fault-points.js';
import { Kind, kindOf, Pte } from './entry.js';
import { injectedFault, lockFaultEntry, type VmFault } from './fault.js';
import { VM_FAULT } from './fault-code.js';
import { folioGet, folioLock, folioPut, folioUnlock, waitOnPageLocked } from './folio.js';
import { PAGE_SIZE } from './frames.js';
import { invalidateRangeEnd, invalidateRangeStart, type NotifierRange } from './notifier.js';
import { pteIndex, type Table } from './page-table.js';
import { maybeMkwrite, mkPte } from './pte-build.js';
import { ptlUnlock } from './ptl.js';
import { folioAddAnonRmapPte } from './rmap.js';
import { doSwapPage } from './swap-in.js';
import type { Vma } from './vma.js';

/** A fault on an entry that is neither none nor present. Linux: mm/memory.c:do_swap_page() */
export function* doNonPresentFault(fault: VmFault): Coroutine<number> {
  switch (kindOf(fault.lo)) {
    case Kind.swap:
      return yield* doSwapPage(fault);
    case Kind.migration:
      yield* waitOnPageLocked(fault.vma.mm.memory, fault.hi);
      return 0;
    case Kind.devicePrivate:
      return yield* devicePrivateFault(fault);
    case Kind.deviceExclusive:
      return yield* removeDeviceExclusiveEntry(fault);
    case Kind.hwpoison:
      return VM_FAULT.hwpoison;
    default:
      return VM_FAULT.sigbus;
  }
}

/** The CPU can't reach the page: its driver brings it back. A reference keeps it alive for the call. */
function* devicePrivateFault(fault: VmFault): Coroutine<number> {
  const { vma, addr, hi: pfn } = fault;
  const { memory } = vma.mm;
  const table = lockFaultEntry(fault);
  if (table === null) return 0;
  folioGet(memory, pfn);
  ptlUnlock(vma.mm);
  const pagemap = memory.pagemaps[memory.frames.pagemap[pfn]!]!;
  const { faults } = memory.kernel;
  const isAsked = faults.armed && !faults.isQuiet(FaultPoint.migrateToRam, addr);
  const injected = isAsked ? yield* faults.reach(FaultPoint.migrateToRam, addr) : 0;
  const ret = injected !== 0 ? injectedFault(injected) : yield* pagemap.ops.migrateToRam({ vma, addr, pfn });
  folioPut(memory, pfn);
  return ret;
}

/** Ends a device's exclusive access, which the EXCLUSIVE event tells it. Linux: remove_device_exclusive_entry() */
function* removeDeviceExclusiveEntry(fault: VmFault): Coroutine<number> {
  const { vma, addr, hi: pfn } = fault;
  const { mm } = vma;
  const { memory } = mm;
  // The page can't be gone: the entry was just read and holds a reference, and nothing has slept since.
  folioGet(memory, pfn);
  yield* folioLock(memory, pfn);
  const range: NotifierRange = { mm, start: addr, end: addr + PAGE_SIZE, event: 'EXCLUSIVE', owner: null };
  yield* invalidateRangeStart(range);
  const table = lockFaultEntry(fault);
  if (table !== null) {
    restoreExclusivePte(vma, table, pteIndex(fault.vpn));
    ptlUnlock(mm);
  }
  folioUnlock(memory, pfn);
  folioPut(memory, pfn);
  invalidateRangeEnd(range);
  return 0;
}

/** The page is present again, writable if it was; its reference was kept by the entry. Linux: restore_exclusive_pte() */
export function restoreExclusivePte(vma: Vma, table: Table, index: number): void {
  const { entries } = table;
  let lo = mkPte(vma) & ~Pte.young;
  if (entries[2 * index]! & Pte.write) lo = maybeMkwrite(lo | Pte.dirty, vma);
  folioAddAnonRmapPte(vma.mm.memory, entries[2 * index + 1]!, false);
  entries[2 * index] = lo;
}
