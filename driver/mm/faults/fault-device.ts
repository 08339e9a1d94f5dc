import { type Coroutine, FINE } from '../../core/effect.js';
import { InjectPoint } from '../../inject/inject-points.js';
import {
  folioGet,
  folioPut,
  folioTrylock,
  folioUnlock,
  migrationEntryWaitOnLocked,
  waitForOthers,
} from '../frames/folio.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import type { DeviceFault } from '../frames/pagemap.js';
import { Kind, kindOf } from '../tables/entry.js';
import { pmdIndex, type Table } from '../tables/page-table.js';
import { pfnAt } from '../tables/page-table-text.js';
import { ptlAssertHeld, ptlLock, ptlUnlock } from '../tables/ptl.js';
import { injectedFault, pteOffsetMapLock, type VmFault } from './vm-fault.js';

/** A DPRIV entry: the CPU can't reach the page, so its driver brings it back. Linux: part of mm/memory.c:do_swap_page() */
export function* devicePrivateFault(fault: VmFault): Coroutine<number> {
  const { vma, addr, hi: pfn } = fault;
  if (vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  if (pteOffsetMapLock(fault) === null) return 0;
  return yield* askDriver({ vma, addr, pfn, isHuge: false });
}

/**
 * A PMD-DPRIV entry, of which the driver may bring back the whole folio. Linux: mm/huge_memory.c:do_huge_pmd_device_private() of 6.19
 */
export function* doHugePmdDevicePrivate({ vma, addr, vpn }: VmFault, pmd: Table): Coroutine<number> {
  if (vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  ptlLock(vma.mm);
  const i = pmdIndex(vpn);
  const isSame = kindOf(pmd.lo(i)) === Kind.devicePrivate;
  if (!isSame) ptlUnlock(vma.mm);
  if (!isSame) return 0;
  const pfn = pmd.hi(i);
  return yield* askDriver({ vma, addr: addr - (addr % HPAGE_PMD_SIZE), pfn, isHuge: true });
}

/**
 * Called with the ptl, which it releases. A reference keeps the page alive for the driver. Where the profile says so its lock is held
 * too, so that the references of two that fault at once can't keep each other's migration from succeeding for ever.
 *
 * Deviates: Linux looks again at once when a whole folio is locked; here that waits for the lock, as it does for a page.
 */
function* askDriver(fault: DeviceFault): Coroutine<number> {
  ptlAssertHeld(fault.vma.mm);
  const { vma, addr, pfn } = fault;
  const { mm } = vma;
  const { memory } = mm;
  const { faultLocksPage } = memory.profile;
  if (faultLocksPage && !folioTrylock(memory, pfn)) {
    ptlUnlock(mm);
    yield* migrationEntryWaitOnLocked(memory, pfn);
    return 0;
  }
  folioGet(memory, pfn);
  ptlUnlock(mm);
  const pagemap = memory.pagemaps[memory.frames.pagemap[pfn]!]!;
  const { inject } = memory.kernel;
  const isAsked = inject.armed && !inject.isQuiet(InjectPoint.migrateToRam, addr);
  const injected = isAsked ? yield* inject.reach(InjectPoint.migrateToRam, addr) : 0;
  const ret = injected !== 0 ? injectedFault(injected) : yield* pagemap.ops.migrateToRam(fault);
  const { scheduler } = memory.kernel;
  if (faultLocksPage && scheduler.isFine) yield FINE.folioLock;
  if (faultLocksPage) folioUnlock(memory, pfn);
  if (scheduler.isFine) yield FINE.refcount;
  folioPut(memory, pfn);
  if (ret === 0 && scheduler.wantsFine && pfnAt(mm, addr / PAGE_SIZE) === pfn) yield* waitForOthers(memory, pfn);
  return ret;
}
