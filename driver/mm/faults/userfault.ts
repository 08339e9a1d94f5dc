import { EINVAL, ENOMEM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { Kind, kindOf } from '../tables/entry.js';
import { pmdIndex, pteIndex } from '../tables/page-table.js';
import { type Mm, mmapAssertLocked, mmapAssertWriteLocked } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous } from '../vmas/vma.js';
import { vmaModifyFlags } from '../vmas/vma-merge.js';

/** What a userfaultfd does for the address space that it belongs to. Linux: struct userfaultfd_ctx */
export interface UserfaultOps {
  /**
   * A page of a registered vma is missing: tells the reader and sleeps until somebody wakes the waiters of the page. No
   * lock is held. Linux: fs/userfaultfd.c:handle_userfault()
   */
  handleUserfault(addr: number, write: boolean): Coroutine<void>;
}

/** Must the fault at `addr` be somebody else's to serve? The caller holds mmap_lock. */
export function isUserfault(vma: Vma, addr: number): boolean {
  mmapAssertLocked(vma.mm);
  return (vma.flags & VM.uffdMissing) !== 0 && vma.mm.userfault !== null && isMissing(vma, addr);
}

/** Nothing is there, in memory, in swap or on a device; for shared memory not in the file either. */
export function isMissing(vma: Vma, addr: number): boolean {
  const { mm, file } = vma;
  const vpn = Math.floor(addr / PAGE_SIZE);
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd !== null) {
    const i = pmdIndex(vpn);
    const kind = kindOf(pmd.lo(i));
    if (kind !== Kind.none && kind !== Kind.table) return false;
    const leaf = pmd.child(pmdIndex(vpn));
    if (leaf !== null && kindOf(leaf.lo(pteIndex(vpn))) !== Kind.none) return false;
  }
  if (file === null || file.mapping === null) return true;
  return file.mapping.pages.get(vma.pgoff + vpn - vma.start / PAGE_SIZE) === 0;
}

/**
 * Sets or clears VM_UFFD_MISSING over [start, end), all of which must be private anonymous or shared memory. The caller
 * holds mmap_lock for write. Deviates: with the flag comes VM_NOHUGEPAGE, as pages are installed one by one.
 * Linux: part of fs/userfaultfd.c:userfaultfd_register() and userfaultfd_unregister()
 */
export function* setUserfault(mm: Mm, range: { start: number; end: number }, on: boolean): Coroutine<number> {
  mmapAssertWriteLocked(mm);
  for (let at = range.start; at < range.end; ) {
    const vma = mm.vmaLookup(at);
    if (vma === null) return on && at === range.start ? -ENOMEM : -EINVAL;
    if (vma.flags & VM.hugetlb || !(vmaIsAnonymous(vma) || vma.isShared)) return -EINVAL;
    const end = Math.min(vma.end, range.end);
    const bits = VM.uffdMissing | VM.nohugepage;
    const flags = on ? vma.flags | bits : vma.flags & ~bits;
    if (flags !== vma.flags) {
      const changed = yield* vmaModifyFlags(vma, { start: at, end, flags });
      if (typeof changed === 'number') return changed;
      changed.flags = flags;
    }
    at = end;
  }
  return 0;
}
