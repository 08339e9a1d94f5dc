import { EFAULT } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { Access, entryId, Shared } from '../../core/observer.js';
import type { Task } from '../../core/task.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { KIND_MASK, Kind, Pte } from '../tables/entry.js';
import { pmdIndex, pteIndex, TASK_SIZE } from '../tables/page-table.js';
import type { TlbEntry } from '../tables/tlb.js';
import type { Mm } from '../vmas/mm.js';
import { VM, VM_ACCESS_FLAGS } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { handleMmFault } from './fault.js';
import { FAULT, VM_FAULT, VM_FAULT_ERROR } from './fault-code.js';

/**
 * Why a CPU access stopped: the signal Linux would send. `oom` stands for the OOM killer's SIGKILL; `endless` for none: each of
 * `maxRefaults` faults said that it was done, and none let the access through.
 */
export type AccessFault = 'none' | 'maperr' | 'accerr' | 'sigbus' | 'hwpoison' | 'oom' | 'endless';

/** The result of a load or store: `done` bytes went well before `fault` (at `addr`) stopped it. */
export interface AccessResult {
  readonly done: number;
  readonly fault: AccessFault;
  readonly addr: number;
}

/**
 * A program's access that finds no memory is tried again, as somebody may free some. Deviates: Linux never stops; here the
 * access ends after this many, as if the OOM killer had come.
 */
export const MAX_OOM_RETRIES = 16;

const ACCESS_POINT = preemptPoint('cpu access');
/** Pages of one access after which whoever runs the machine in slices gets control back. */
const PAGES_PER_SLICE = 64;

/** The CPU reads `out.length` bytes at `addr` through the page table, faulting as it must. */
export function* cpuLoad(mm: Mm, addr: number, out: Uint8Array, isKernel = false): Coroutine<AccessResult> {
  const { bytes, kernel } = mm.memory;
  for (let done = 0; done < out.length; ) {
    if (!kernel.scheduler.contended) done = copyMapped(mm, { addr, data: out, done, write: false });
    if (done === out.length) break;
    const at = addr + done;
    const offset = at % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - offset, out.length - done);
    const pfn = yield* cpuPage(mm, at, { write: false, isKernel });
    if (typeof pfn === 'string') return { done, fault: pfn, addr: at };
    mm.memory.contentIsRead(pfn);
    const from = pfn * PAGE_SIZE + offset;
    out.set(bytes.subarray(from, from + length), done);
    done += length;
  }
  return { done: out.length, fault: 'none', addr };
}

/** The CPU writes `data` at `addr` through the page table, faulting as it must. */
export function* cpuStore(mm: Mm, addr: number, data: Uint8Array, isKernel = false): Coroutine<AccessResult> {
  const { bytes, kernel } = mm.memory;
  for (let done = 0; done < data.length; ) {
    if (!kernel.scheduler.contended) done = copyMapped(mm, { addr, data, done, write: true });
    if (done === data.length) break;
    const at = addr + done;
    const offset = at % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - offset, data.length - done);
    const pfn = yield* cpuPage(mm, at, { write: true, isKernel });
    if (typeof pfn === 'string') return { done, fault: pfn, addr: at };
    mm.memory.contentChanges(pfn);
    bytes.set(data.subarray(done, done + length), pfn * PAGE_SIZE + offset);
    done += length;
  }
  return { done: data.length, fault: 'none', addr };
}

/**
 * Copies on from `done` as long as the page table allows the access as it is, neighbouring frames at once, and answers how
 * much is done then. Nobody else can run meanwhile, so no page needs a scheduling point of its own.
 */
function copyMapped(
  mm: Mm,
  { addr, data, done, write }: { addr: number; data: Uint8Array; done: number; write: boolean },
): number {
  const { bytes } = mm.memory;
  const last = Math.min(addr + data.length, TASK_SIZE);
  while (addr + done < last) {
    const at = addr + done;
    const first = translate(mm, Math.floor(at / PAGE_SIZE), write);
    if (first === 0) break;
    const offset = at % PAGE_SIZE;
    let end = Math.min(last, at - offset + PAGE_SIZE);
    for (let pfn = first + 1; end < last && translate(mm, end / PAGE_SIZE, write) === pfn; pfn++)
      end = Math.min(last, end + PAGE_SIZE);
    const from = first * PAGE_SIZE + offset;
    if (write) {
      mm.memory.contentChanges(first, Math.ceil((offset + end - at) / PAGE_SIZE));
      bytes.set(data.subarray(done, done + end - at), from);
    } else {
      mm.memory.contentIsRead(first, Math.ceil((offset + end - at) / PAGE_SIZE));
      data.set(bytes.subarray(from, from + end - at), done);
    }
    done += end - at;
  }
  return done;
}

/** May the kernel touch it for a program? What is mapped there does not matter. Linux: include/asm-generic/access_ok.h:__access_ok() */
export function accessOk(addr: number, len: number): boolean {
  return addr >= 0 && addr + len <= TASK_SIZE;
}

/** 0 or -EFAULT. A kernel access to user memory: as the CPU's, but its failure is an errno. Linux: include/linux/uaccess.h:copy_from_user() */
export function* copyFromUser(mm: Mm, addr: number, out: Uint8Array): Coroutine<number> {
  return (yield* rawCopyFromUser(mm, addr, out)) === 0 ? 0 : -EFAULT;
}

/** 0 or -EFAULT; what was copied before a fault stays. Linux: include/linux/uaccess.h:copy_to_user() */
export function* copyToUser(mm: Mm, addr: number, data: Uint8Array): Coroutine<number> {
  return (yield* rawCopyToUser(mm, addr, data)) === 0 ? 0 : -EFAULT;
}

/** How many bytes are left, as a fault came before them. Linux: arch/riscv/include/asm/uaccess.h:raw_copy_from_user() */
export function* rawCopyFromUser(mm: Mm, addr: number, out: Uint8Array): Coroutine<number> {
  if (!accessOk(addr, out.length)) return out.length;
  const { inject } = mm.memory.kernel;
  if (inject.armed && (yield* inject.reach(InjectPoint.copyFromUser)) !== 0) {
    const { done } = yield* cpuLoad(mm, addr, out.subarray(0, inject.bytes));
    return Math.max(1, out.length - done);
  }
  return out.length - (yield* cpuLoad(mm, addr, out, true)).done;
}

/** The same the other way. Linux: arch/riscv/include/asm/uaccess.h:raw_copy_to_user() */
export function* rawCopyToUser(mm: Mm, addr: number, data: Uint8Array): Coroutine<number> {
  if (!accessOk(addr, data.length)) return data.length;
  const { inject } = mm.memory.kernel;
  if (inject.armed && (yield* inject.reach(InjectPoint.copyToUser)) !== 0) {
    const { done } = yield* cpuStore(mm, addr, data.subarray(0, inject.bytes));
    return Math.max(1, data.length - done);
  }
  return data.length - (yield* cpuStore(mm, addr, data, true)).done;
}

/** The frame behind `addr` once the page table allows the access; there is no scheduling point between that and the use. */
function* cpuPage(
  mm: Mm,
  addr: number,
  { write, isKernel }: { write: boolean; isKernel: boolean },
): Coroutine<number | AccessFault> {
  const { scheduler } = mm.memory.kernel;
  const vpn = Math.floor(addr / PAGE_SIZE);
  if (scheduler.isShared || (scheduler.contended && vpn % PAGES_PER_SLICE === 0)) yield ACCESS_POINT;
  let ooms = 0;
  for (let tries = 0; tries < mm.memory.maxRefaults && ooms < MAX_OOM_RETRIES; ) {
    const pfn = addr < TASK_SIZE ? translate(mm, vpn, write) : 0;
    if (pfn !== 0) {
      if (!scheduler.isFine || !(yield* isFlushedMeanwhile(mm, { vpn, pfn, isStore: write }))) return pfn;
      continue;
    }
    tries++;
    const fault = yield* doUserAddrFault(mm, addr, write, isKernel);
    // A program that finds no memory tries again, the kernel does not. Linux: mm/oom_kill.c:pagefault_out_of_memory()
    if (fault !== 'none' && (fault !== 'oom' || isKernel)) return fault;
    if (fault === 'oom') ooms++;
    // A fault that changes nothing is a step too, so that the limit of steps ends what has no other end.
    if (tries > 3) yield ACCESS_POINT;
    else if (scheduler.isFine) yield FINE.access;
  }
  return ooms > 0 ? 'oom' : 'endless';
}

/** What the TLB holds by now is good until it is flushed, whatever the entry says. While somebody explores it is held for the proof of it too. */
function* isFlushedMeanwhile(mm: Mm, { vpn, pfn, isStore }: TlbEntry): Coroutine<boolean> {
  const held = { vpn, pfn, isStore, isFlushed: false };
  const { translations } = mm;
  touchTranslation(mm, vpn);
  translations.push(held);
  yield FINE.access;
  touchTranslation(mm, vpn);
  if (!held.isFlushed && !mm.memory.kernel.scheduler.wantsFine) translations.splice(translations.indexOf(held), 1);
  return held.isFlushed;
}

function touchTranslation(mm: Mm, vpn: number): void {
  mm.memory.kernel.observer?.touch(Shared.tlb, entryId(mm.id, vpn), Access.read | Access.lockless, 1);
}

/** What the MMU does: the frame of `vpn`, with accessed and dirty set, or 0 when the access must fault. */
export function translate(mm: Mm, vpn: number, write: boolean): number {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return 0;
  const leaf = pmd.child(pmdIndex(vpn));
  const table = leaf ?? pmd;
  const i = leaf === null ? pmdIndex(vpn) : pteIndex(vpn);
  const lo = table.loOfMmu(i);
  if ((lo & (KIND_MASK | Pte.protnone)) !== Kind.present) return 0;
  if (write && !(lo & Pte.write)) return 0;
  const used = lo | (write ? Pte.young | Pte.dirty : Pte.young);
  if (used !== lo) table.setUsed(i, used);
  const pfn = table.hiOfMmu(i);
  return leaf === null ? pfn + (vpn % 512) : pfn;
}

/** Linux: arch/x86/mm/fault.c:do_user_addr_fault() */
export function* doUserAddrFault(mm: Mm, addr: number, write: boolean, isKernel = false): Coroutine<AccessFault> {
  const flags = FAULT.allowRetry | (write ? FAULT.write : 0) | (isKernel ? 0 : FAULT.user);
  let ret: number = VM_FAULT.retry;
  for (let tried = 0; ret & VM_FAULT.retry; tried = FAULT.tried) {
    yield* mm.mmapLock.readLock();
    const vma = addr < TASK_SIZE ? mm.vmaLookup(addr) : null;
    if (vma === null || accessError(vma, write)) {
      mm.mmapLock.readUnlock();
      return vma === null ? 'maperr' : 'accerr';
    }
    ret = yield* handleMmFault(vma, addr, flags | tried);
    if (ret & VM_FAULT.retry && faultSignalPending(mm.memory.kernel.current, isKernel))
      return isKernel ? 'sigbus' : 'none';
  }
  mm.mmapLock.readUnlock();
  if (!(ret & VM_FAULT_ERROR)) return 'none';
  if (ret & VM_FAULT.oom) return 'oom';
  if (ret & VM_FAULT.hwpoison) return 'hwpoison';
  return ret & VM_FAULT.sigsegv ? 'maperr' : 'sigbus';
}

/** Linux: include/linux/sched/signal.h:fault_signal_pending() */
function faultSignalPending({ killed, program }: Task, isKernel: boolean): boolean {
  return killed || (!isKernel && program !== null && program.signalPending());
}

/** Linux: arch/x86/mm/fault.c:access_error(): any right at all makes a page readable on x86. */
function accessError(vma: Vma, write: boolean): boolean {
  return write ? !(vma.flags & VM.write) : !(vma.flags & VM_ACCESS_FLAGS);
}
