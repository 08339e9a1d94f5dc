import { PG } from '../frames/frames.js';
import type { Memory } from '../memory.js';
import type { Mm } from '../vmas/mm.js';
import { VM, VM_ACCESS_FLAGS } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { Kind, kindOf, Pte } from './entry.js';
import type { Table } from './table.js';

/** Private and may become writable: written pages are copies. Linux: include/linux/mm.h:is_cow_mapping() */
export function isCowMapping(vmFlags: number): boolean {
  return (vmFlags & (VM.shared | VM.maywrite)) === VM.maywrite;
}

/**
 * The low half of a present entry built from the vma's page protection alone, as mk_pte(page, vm_page_prot): writable
 * only where the mapping is shared (tmpfs and device pages need no write notification), PROT_NONE without access.
 */
export function mkPte(vma: Vma): number {
  const { flags } = vma;
  if ((flags & VM_ACCESS_FLAGS) === 0) return Kind.present | Pte.protnone | Pte.young;
  return Kind.present | Pte.young | (isSharedWritable(vma) && !vmaWantsWritenotify(vma) ? Pte.write : 0);
}

function isSharedWritable({ flags }: Vma): boolean {
  return (flags & (VM.shared | VM.write)) === (VM.shared | VM.write);
}

/** Linux: arch/x86/include/asm/pgtable.h:pte_mkuffd_wp() */
export function pteMkuffdWp(lo: number): number {
  return (lo | Pte.uffdWp) & ~Pte.write;
}

/** Entries get or lose the protection that a userfaultfd is told of, or keep it. Linux: MM_CP_UFFD_WP, MM_CP_UFFD_WP_RESOLVE */
export type UffdChange = 'wp' | 'resolve' | null;

/** The bit alone, for an entry of any kind. */
export function withUffdWp(lo: number, uffd: UffdChange): number {
  if (uffd === null) return lo;
  return uffd === 'wp' ? lo | Pte.uffdWp : lo & ~Pte.uffdWp;
}

/**
 * An entry that is not present after a change of rights: a later write fault gives back the right to write. What was writable is made
 * anew, a migration entry without the bit of a userfaultfd and one of private device memory without soft-dirty.
 * Linux: part of mm/mprotect.c:change_pte_range() and mm/huge_memory.c:change_huge_pmd()
 */
export function nonPresentWithoutWrite({ frames }: Memory, lo: number, pfn: number): number {
  if (!(lo & Pte.write)) return lo;
  switch (kindOf(lo)) {
    case Kind.migration: {
      const isAnon = frames.hasFlags(frames.head(pfn), PG.anon);
      return (lo & ~(Pte.write | Pte.uffdWp)) | (isAnon ? Pte.exclusive : 0);
    }
    case Kind.devicePrivate:
      return lo & ~(Pte.write | Pte.softDirty);
    case Kind.deviceExclusive:
      return lo & ~Pte.write;
    default:
      return lo;
  }
}

/** Linux: include/linux/userfaultfd_k.h:userfaultfd_pte_wp() */
export function userfaultfdPteWp({ flags }: Vma, lo: number): boolean {
  return (flags & VM.uffdWp) !== 0 && (lo & Pte.uffdWp) !== 0;
}

/**
 * What is gone from a mapping of a file leaves a marker if it was protected, as the file still has the page. Under the ptl.
 * Linux: include/linux/mm_inline.h:pte_install_uffd_wp_if_needed()
 */
export function pteInstallUffdWpIfNeeded(vma: Vma, table: Table, i: number, old: number): void {
  if (vma.file !== null && userfaultfdPteWp(vma, old)) table.set(i, Kind.marker | (old & (Pte.uffdWp | Pte.huge)), 0);
}

/** Each first write to a page of shared memory must fault, so that it is noted. Linux: mm/vma.c:vma_wants_writenotify() */
export function vmaWantsWritenotify(vma: Vma): boolean {
  if (!isSharedWritable(vma)) return false;
  return (vma.flags & VM.uffdWp) !== 0 || (vma.flags & (VM.notSoftDirty | VM.hugetlb)) === VM.notSoftDirty;
}

/** A write to the page must be noted first. Linux: mm/internal.h:pte_needs_soft_dirty_wp() */
export function pteNeedsSoftDirtyWp(vma: Vma, lo: number): boolean {
  return (vma.flags & VM.notSoftDirty) !== 0 && !(lo & Pte.softDirty);
}

/** Linux: include/linux/mm.h:maybe_mkwrite() */
export function maybeMkwrite(lo: number, vma: Vma): number {
  return vma.flags & VM.write ? lo | Pte.write : lo;
}

/** Changes the resident counter that a page belongs to. Linux: include/linux/mm.h:add_mm_counter() of mm_counter() */
export function addMmCounter(mm: Mm, pfn: number, delta: number): void {
  const { frames } = mm.memory;
  const head = frames.head(pfn);
  if (frames.hasFlags(head, PG.anon)) mm.rss.anon += delta;
  else if (frames.hasFlags(head, PG.swapbacked)) mm.rss.shmem += delta;
  else mm.rss.file += delta;
}

/** Marks the folio of `pfn` dirty. Linux: mm/page-writeback.c:folio_mark_dirty() */
export function folioMarkDirty(memory: Memory, pfn: number): void {
  memory.frames.setFlags(memory.frames.head(pfn), PG.dirty);
}

/**
 * May a present entry become writable right now, without a fault: private pages when exclusive, shared ones when dirty
 * (or when nobody tracks that). Linux: mm/mprotect.c:can_change_pte_writable()
 */
export function canChangePteWritable(vma: Vma, lo: number, pfn: number): boolean {
  if (!(vma.flags & VM.write) || lo & Pte.protnone) return false;
  if (pteNeedsSoftDirtyWp(vma, lo) || userfaultfdPteWp(vma, lo)) return false;
  if (vma.flags & VM.shared) return (lo & Pte.dirty) !== 0;
  const { frames } = vma.mm.memory;
  return (lo & Pte.special) === 0 && frames.isAnon(pfn) && frames.isAnonExclusive(pfn);
}
