import { type Coroutine, FINE } from '../../core/effect.js';
import { folioLock, folioTryGet, folioUnlockAndPut } from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddAnonRmapPte } from '../frames/rmap.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../notifier.js';
import { swapInPage } from '../swap/swap-in.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { migrationEntryWait } from '../tables/migration-entries.js';
import { pteIndex, type Table } from '../tables/page-table.js';
import { canChangePteWritable, maybeMkwrite, mkPte, pteMkuffdWp } from '../tables/pte-build.js';
import { ptlAssertHeld, ptlUnlock } from '../tables/ptl.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { VM_FAULT } from './fault-code.js';
import { devicePrivateFault } from './fault-device.js';
import { pteOffsetMapLock, type VmFault } from './vm-fault.js';

/** A fault on an entry that is neither none nor present. Linux: mm/memory.c:do_swap_page() */
export function* doSwapPage(fault: VmFault): Coroutine<number> {
  switch (kindOf(fault.lo)) {
    case Kind.swap:
      return yield* swapInPage(fault);
    case Kind.migration:
      yield* migrationEntryWait(fault.vma.mm, fault.vpn);
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

/** Ends a device's exclusive access, which the event tells it. Linux: mm/memory.c:remove_device_exclusive_entry() */
function* removeDeviceExclusiveEntry(fault: VmFault): Coroutine<number> {
  const { vma, addr, hi: pfn } = fault;
  const { mm } = vma;
  const { memory } = mm;
  const { scheduler } = memory.kernel;
  if (scheduler.isFine) yield FINE.refcount;
  if (!folioTryGet(memory, pfn)) return 0;
  yield* folioLock(memory, pfn);
  const event = memory.profile.exclusiveIsMapping ? 'CLEAR' : 'EXCLUSIVE';
  const range: NotifierRange = { mm, start: addr, end: addr + PAGE_SIZE, event, owner: null };
  yield* mmuNotifierInvalidateRangeStart(range);
  if (scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table !== null) {
    restoreExclusivePte(vma, table, pteIndex(fault.vpn));
    ptlUnlock(mm);
  }
  yield* folioUnlockAndPut(memory, pfn);
  yield* mmuNotifierInvalidateRangeEnd(range);
  return 0;
}

/**
 * The page is present again, writable if it was; its reference was kept by the entry. Under the ptl.
 * Linux: mm/memory.c:restore_exclusive_pte()
 */
export function restoreExclusivePte(vma: Vma, table: Table, index: number): void {
  ptlAssertHeld(vma.mm);
  const { memory } = vma.mm;
  if (memory.profile.exclusiveIsMapping) {
    table.setLo(index, restoredFromVma(vma, table.lo(index), table.hi(index)));
    return;
  }
  const old = table.lo(index);
  let lo = (mkPte(vma) & ~Pte.young) | (old & Pte.softDirty);
  if (old & Pte.uffdWp) lo = pteMkuffdWp(lo);
  else if (old & Pte.write) lo = maybeMkwrite(lo | Pte.dirtied, vma);
  folioAddAnonRmapPte(memory, table.hi(index), false);
  table.setLo(index, lo);
}

/** What the vma and the page allow now, whatever the entry allowed before. */
function restoredFromVma(vma: Vma, old: number, pfn: number): number {
  let lo = (mkPte(vma) & ~Pte.young) | (old & Pte.softDirty);
  if (old & Pte.uffdWp) lo = pteMkuffdWp(lo);
  if (!(vma.flags & VM.write) || !canChangePteWritable(vma, lo, pfn)) return lo;
  const { frames } = vma.mm.memory;
  return lo | Pte.write | (frames.hasFlags(frames.head(pfn), PG.dirty) ? Pte.dirtied : 0);
}
