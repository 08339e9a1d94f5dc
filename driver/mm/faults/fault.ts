import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import type { Task } from '../../core/task.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { hugetlbFault } from '../huge/hugetlb-fault.js';
import { doHugePmdAnonymousPage, doHugePmdNumaPage, doHugePmdWpPage } from '../huge/thp-fault.js';
import { wpFileHugePmd } from '../huge/thp-file-fault.js';
import { TVA, thpVmaAllowableOrder } from '../huge/thp-policy.js';
import { splitHugePmd } from '../huge/thp-split-pmd.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { migrationEntryWait } from '../tables/migration-entries.js';
import { pmdIndex, pteIndex, type Table } from '../tables/page-table.js';
import { canChangePteWritable, maybeMkwrite, userfaultfdPteWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { mayAllocTable } from '../tables/table-alloc.js';
import { userfaultfdWpAsync } from '../userfault/ctx.js';
import { handleUserfault } from '../userfault/handle-userfault.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM, VM_ACCESS_FLAGS } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import { doAnonymousPage } from './fault-anon.js';
import { FAULT, VM_FAULT, VM_FAULT_ERROR } from './fault-code.js';
import { doHugePmdDevicePrivate } from './fault-device.js';
import { doFault } from './fault-file.js';
import { doSwapPage } from './fault-non-present.js';
import { doWpPage } from './fault-wp.js';
import { injectedFault, pteOffsetMapLock, type VmFault } from './vm-fault.js';

/**
 * Makes the page at `addr` accessible as `flags` ask, or says why not: VM_FAULT bits, 0 meaning that the access is to
 * be tried again (it may fault again). The caller holds mmap_lock and has checked the vma's access rights.
 * VM_FAULT.retry, which `flags` must allow: mmap_lock is not held any more. Linux: mm/memory.c:handle_mm_fault()
 */
export function* handleMmFault(vma: Vma, addr: number, flags: number): Coroutine<number> {
  const { kernel } = vma.mm.memory;
  const { verbose } = kernel.trace;
  const name = verbose ? `${flags & FAULT.write ? 'write' : 'read'} 0x${addr.toString(16)}` : '';
  if (verbose) kernel.emit('span', { span: 'fault', name, phase: 'begin', ret: 0 });
  const ret = yield* resolveFault(vma, addr, flags);
  mmAccountFault(kernel.current, flags, ret);
  if (verbose) kernel.emit('span', { span: 'fault', name, phase: 'end', ret });
  return ret;
}

/** Linux: mm/memory.c:mm_account_fault() */
function mmAccountFault({ faults }: Task, flags: number, ret: number): void {
  if (ret & (VM_FAULT.retry | VM_FAULT_ERROR)) return;
  faults[ret & VM_FAULT.major || flags & FAULT.tried ? 'major' : 'minor']++;
}

function* resolveFault(vma: Vma, addr: number, flags: number): Coroutine<number> {
  mmapAssertLocked(vma.mm);
  assert(addr >= vma.start && addr < vma.end, 'the address is not of this vma');
  const { memory } = vma.mm;
  if (flags & FAULT.remote) memory.stats.remoteFaults++;
  else memory.stats.cpuFaults++;
  const page = addr - (addr % PAGE_SIZE);
  if (memory.kernel.trace.verbose)
    memory.kernel.emit('fault', { access: flags & FAULT.write ? 'write' : 'read', addr: page, flags });
  const { inject } = memory.kernel;
  if (inject.armed && !inject.isQuiet(InjectPoint.handleMmFault, page)) {
    const injected = yield* inject.reach(InjectPoint.handleMmFault, page);
    if (injected !== 0) return injectedFault(injected);
  }
  if (vma.flags & VM.hugetlb) return yield* hugetlbFault(vma, addr, flags);
  const fault: VmFault = { vma, addr: page, realAddr: addr, vpn: page / PAGE_SIZE, flags, lo: 0, hi: 0 };
  const handled = yield* handlePmdFault(fault);
  return handled >= 0 ? handled : yield* handlePteFault(fault);
}

/** The part of a fault that the PMD entry decides; -1 when the PTE level is to go on. Linux: part of mm/memory.c:__handle_mm_fault() */
function* handlePmdFault(fault: VmFault): Coroutine<number> {
  const { vma, vpn } = fault;
  const { pageTable } = vma.mm;
  const pmd = pageTable.pmdTable(vpn);
  const i = pmdIndex(vpn);
  const lo = pmd === null ? Kind.none : pmd.lo(i);
  switch (kindOf(lo)) {
    case Kind.none: {
      if (!thpVmaAllowableOrder(vma, TVA.inPf | TVA.enforceSysfs)) return -1;
      const ret = yield* doHugePmdAnonymousPage(fault);
      return ret & VM_FAULT.fallback ? -1 : ret;
    }
    case Kind.migration:
      yield* migrationEntryWait(vma.mm, vpn);
      return 0;
    case Kind.devicePrivate:
      return yield* doHugePmdDevicePrivate(fault, pmd!);
    case Kind.present:
      return yield* handleHugePmd(fault, pmd!, lo);
    default:
      return -1;
  }
}

function* handleHugePmd(fault: VmFault, pmd: Table, lo: number): Coroutine<number> {
  const { vma, addr, flags } = fault;
  const { scheduler } = vma.mm.memory.kernel;
  if (lo & Pte.protnone && vma.flags & VM_ACCESS_FLAGS) return yield* doHugePmdNumaPage(vma, addr, lo);
  if (flags & (FAULT.write | FAULT.unshare) && !(lo & Pte.write)) {
    if (!vmaIsAnonymous(vma)) return (yield* wpFileHugePmd(fault)) || -1;
    if (!(flags & FAULT.unshare) && userfaultfdPteWp(vma, lo)) {
      if (!userfaultfdWpAsync(vma)) return yield* handleUserfault(fault, VM.uffdWp);
      yield* splitHugePmd(vma, addr);
      return -1;
    }
    const ret = yield* doHugePmdWpPage(vma, addr, flags);
    return ret & VM_FAULT.fallback ? -1 : ret;
  }
  if (scheduler.isFine) yield FINE.ptl;
  ptlLock(vma.mm);
  const i = pmdIndex(fault.vpn);
  if (pmd.lo(i) === lo) pmd.setLo(i, lo | (flags & FAULT.write ? Pte.young | Pte.dirtied : Pte.young));
  ptlUnlock(vma.mm);
  return 0;
}

/** Linux: mm/memory.c:handle_pte_fault() */
function* handlePteFault(fault: VmFault): Coroutine<number> {
  const { vma, vpn, flags } = fault;
  const table = vma.mm.pageTable.pteTable(vpn);
  if (table !== null) {
    fault.lo = table.loLockless(pteIndex(vpn));
    fault.hi = table.hiLockless(pteIndex(vpn));
  }
  const { kernel } = vma.mm.memory;
  if (table === null && !mayAllocTable(vma.mm)) return VM_FAULT.oom;
  const kind = kindOf(fault.lo);
  if (table === null || kind === Kind.none) {
    return yield* doPteMissing(fault);
  }
  if (kind === Kind.marker) return yield* handlePteMarker(fault);
  if (kind !== Kind.present) return yield* doSwapPage(fault);
  if (fault.lo & Pte.protnone && vma.flags & VM_ACCESS_FLAGS) return yield* doNumaPage(fault);
  if (flags & (FAULT.write | FAULT.unshare) && !(fault.lo & Pte.write)) return yield* doWpPage(fault);
  if (kernel.scheduler.isFine) yield FINE.ptl;
  const locked = pteOffsetMapLock(fault);
  if (locked === null) return 0;
  locked.setLo(pteIndex(vpn), fault.lo | (flags & FAULT.write ? Pte.young | Pte.dirtied : Pte.young));
  ptlUnlock(vma.mm);
  return 0;
}

/** Linux: mm/memory.c:do_pte_missing() */
function* doPteMissing(fault: VmFault): Coroutine<number> {
  return fault.vma.file === null ? yield* doAnonymousPage(fault) : yield* doFault(fault);
}

/** A marker stands for nothing that is there. One that protects it means nothing where nobody is told. Linux: mm/memory.c:handle_pte_marker() */
function* handlePteMarker(fault: VmFault): Coroutine<number> {
  if (fault.lo & Pte.poisoned) return VM_FAULT.hwpoison;
  if (fault.vma.flags & VM.uffdWp) return yield* doPteMissing(fault);
  if (fault.vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table === null) return 0;
  table.clear(pteIndex(fault.vpn));
  ptlUnlock(fault.vma.mm);
  return 0;
}

/** A PROT_NONE entry in a vma that has rights again gets those of the vma. Linux: mm/memory.c:do_numa_page() */
function* doNumaPage(fault: VmFault): Coroutine<number> {
  const { vma, vpn } = fault;
  if (vma.mm.memory.kernel.scheduler.isFine) yield FINE.ptl;
  const table = pteOffsetMapLock(fault);
  if (table === null) return 0;
  const i = pteIndex(vpn);
  let lo = (table.lo(i) & ~Pte.protnone) | Pte.young;
  if (canChangePteWritable(vma, lo, table.hi(i))) lo = maybeMkwrite(lo, vma);
  table.setLo(i, lo);
  ptlUnlock(vma.mm);
  return 0;
}
