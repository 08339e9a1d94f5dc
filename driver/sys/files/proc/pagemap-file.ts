import { EINVAL } from '../../../../uapi/errno.js';
import { PAGEMAP_SCAN } from '../../../../uapi/pm-scan.js';
import { type Coroutine, preemptPoint } from '../../../core/effect.js';
import { ZERO_PFN } from '../../../mm/frames/frame-allocator.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../../mm/frames/frames.js';
import { Kind, kindOf, Pte } from '../../../mm/tables/entry.js';
import { pmdIndex, pteIndex, TASK_PAGES } from '../../../mm/tables/page-table.js';
import { mmput } from '../../../mm/vmas/exit-mmap.js';
import type { Mm } from '../../../mm/vmas/mm.js';
import { mmgetNotZero } from '../../../mm/vmas/mm.js';
import { VM } from '../../../mm/vmas/vm-flags.js';
import type { Vma } from '../../../mm/vmas/vma.js';
import type { Thread } from '../../processes/thread.js';
import { memLseek, type Seek } from '../llseek.js';
import type { IoctlRequest } from '../open-file.js';
import { MmFile } from './mm-file.js';
import { doPagemapScan } from './pagemap-ioctl.js';

const ENTRY_BYTES = 8;
/** Entries for which mmap_lock is held at a time. Linux: PAGEMAP_WALK_SIZE */
const WALK_PAGES = HPAGE_PMD_NR;
const WALK_POINT = preemptPoint('pagemap');
/** Bits of the upper 32 of an entry. */
const PM_SOFT_DIRTY_HI = 1 << 23;
const PM_MMAP_EXCLUSIVE_HI = 1 << 24;
const PM_UFFD_WP_HI = 1 << 25;
const PM_FILE_HI = 1 << 29;
const PM_SWAP_HI = 1 << 30;
const PM_PRESENT_HI = 0x80000000;
/** x86-64 swap types of entries that hold a pfn, and the place of the offset behind the type. */
const SWAP_TYPE_BITS = 32;
const SWP_MIGRATION_READ = 24;
const SWP_MIGRATION_READ_EXCLUSIVE = 25;
const SWP_MIGRATION_WRITE = 26;
const SWP_DEVICE_WRITE = 27;
const SWP_DEVICE_READ = 28;
const SWP_DEVICE_EXCLUSIVE_WRITE = 29;
const SWP_DEVICE_EXCLUSIVE_READ = 30;
const SWP_PTE_MARKER = 31;

/** One entry: what the page is, and its pfn (or swap type and offset). */
interface PagemapEntry {
  flagsHi: number;
  frame: number;
}

/** /proc/PID/pagemap: 8 bytes a page, little endian, with pfns, as root sees them. Linux: fs/proc/task_mmu.c */
export class PagemapFile extends MmFile {
  protected readonly mode = 0o400;

  /** Linux: part of fs/proc/task_mmu.c:pagemap_read() */
  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    if (offset % ENTRY_BYTES !== 0 || lenBytes % ENTRY_BYTES !== 0) return -EINVAL;
    const { mm } = this;
    if (!mmgetNotZero(mm)) return new Uint8Array();
    const first = offset / ENTRY_BYTES;
    const npages = Math.max(0, Math.min(lenBytes / ENTRY_BYTES, TASK_PAGES - first));
    const out = new Uint8Array(npages * ENTRY_BYTES);
    const { scheduler } = mm.memory.kernel;
    for (let at = 0; at < npages; at += WALK_PAGES) {
      yield* mm.mmapLock.readLock();
      fillPagemap(mm, out, { first, at, end: Math.min(npages, at + WALK_PAGES) });
      mm.mmapLock.readUnlock();
      if (at + WALK_PAGES < npages && scheduler.contended) yield WALK_POINT;
    }
    yield* mmput(mm);
    return out;
  }

  override llseek(seek: Seek): number {
    return memLseek(this, seek);
  }

  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    return cmd === PAGEMAP_SCAN ? yield* doPagemapScan(this.mm, thread.process.mm, arg) : -EINVAL;
  }
}

/** Writes entries `at` to before `end`, where entry 0 is that of page `first`. The caller holds mmap_lock. */
function fillPagemap(mm: Mm, out: Uint8Array, { first, at, end }: { first: number; at: number; end: number }): void {
  const entry: PagemapEntry = { flagsHi: 0, frame: 0 };
  let vma: Vma | null = null;
  for (let i = at; i < end; i++) {
    const addr = (first + i) * PAGE_SIZE;
    if (vma === null || addr >= vma.end) vma = mm.findVma(addr);
    if (vma === null) return;
    if (addr < vma.start) continue;
    pageEntry(vma, first + i, entry);
    putWord(out, i * ENTRY_BYTES, entry.frame);
    // The frame has 55 bits; what is above 32 shares the upper word with the flags.
    putWord(out, i * ENTRY_BYTES + 4, entry.flagsHi | Math.floor(entry.frame / 2 ** 32));
  }
}

/** The low 32 bits, little endian. */
function putWord(out: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) out[at + i] = (word | 0) >>> (8 * i);
}

function pageEntry(vma: Vma, vpn: number, out: PagemapEntry): void {
  out.flagsHi = vma.flags & VM.notSoftDirty ? 0 : PM_SOFT_DIRTY_HI;
  out.frame = 0;
  const pmd = vma.mm.pageTable.pmdTable(vpn);
  if (pmd === null) return;
  const p = pmdIndex(vpn);
  const pmdKind = kindOf(pmd.lo(p));
  if (pmdKind === Kind.none) return;
  if (pmdKind !== Kind.table) {
    hugeEntry(vma, { lo: pmd.lo(p), hi: pmd.hi(p), offset: vpn % HPAGE_PMD_NR }, out);
    return;
  }
  const table = pmd.child(pmdIndex(vpn))!;
  const t = pteIndex(vpn);
  pteToPagemapEntry(vma, { lo: table.lo(t), hi: table.hi(t) }, out);
}

/** Linux: fs/proc/task_mmu.c:pte_to_pagemap_entry() */
function pteToPagemapEntry(vma: Vma, { lo, hi }: { lo: number; hi: number }, out: PagemapEntry): void {
  const { frames } = vma.mm.memory;
  const kind = kindOf(lo);
  if (kind === Kind.none) return;
  if (lo & Pte.softDirty) out.flagsHi |= PM_SOFT_DIRTY_HI;
  if (lo & Pte.uffdWp) out.flagsHi |= PM_UFFD_WP_HI;
  if (kind === Kind.present) {
    out.flagsHi |= PM_PRESENT_HI;
    out.frame = lo & Pte.special ? ZERO_PFN : hi;
    if (lo & Pte.special) return;
    if (!frames.isAnon(hi)) out.flagsHi |= PM_FILE_HI;
    if (folioPrecisePageMapcount(vma, hi) === 1) out.flagsHi |= PM_MMAP_EXCLUSIVE_HI;
    return;
  }
  out.flagsHi |= PM_SWAP_HI;
  const offset = kind === Kind.marker ? (lo & Pte.uffdWp ? 1 : 0) + (lo & Pte.poisoned ? 2 : 0) : hi;
  out.frame = swapType(lo) + offset * SWAP_TYPE_BITS;
  if (isPfnSwapEntry(kind) && !frames.isAnon(hi)) out.flagsHi |= PM_FILE_HI;
}

/** A PMD leaf: THP, huge zero page, hugetlb or PMD migration entry. Linux: part of fs/proc/task_mmu.c:pagemap_pmd_range() and pagemap_hugetlb_range() */
function hugeEntry(vma: Vma, { lo, hi, offset }: { lo: number; hi: number; offset: number }, out: PagemapEntry): void {
  const { frames } = vma.mm.memory;
  const isHugetlb = (vma.flags & VM.hugetlb) !== 0;
  if (lo & Pte.softDirty && !isHugetlb) out.flagsHi |= PM_SOFT_DIRTY_HI;
  if (lo & Pte.uffdWp) out.flagsHi |= PM_UFFD_WP_HI;
  if (kindOf(lo) === Kind.present) {
    out.flagsHi |= PM_PRESENT_HI;
    out.frame = hi + offset;
    if (!frames.isAnon(hi)) out.flagsHi |= PM_FILE_HI;
    const sole = isHugetlb ? frames.folioMapcount(hi) === 1 : folioPrecisePageMapcount(vma, hi + offset) === 1;
    if (sole) out.flagsHi |= PM_MMAP_EXCLUSIVE_HI;
    return;
  }
  if (isHugetlb) return;
  out.flagsHi |= PM_SWAP_HI;
  out.frame = swapType(lo) + (hi + offset) * SWAP_TYPE_BITS;
  if (!frames.isAnon(hi)) out.flagsHi |= PM_FILE_HI;
}

/** Linux: fs/proc/internal.h:folio_precise_page_mapcount() */
function folioPrecisePageMapcount(vma: Vma, pfn: number): number {
  const { frames } = vma.mm.memory;
  return frames.mapcount(pfn) + frames.entireMapcount(frames.head(pfn));
}

/** Linux: include/linux/swapops.h:is_pfn_swap_entry() */
function isPfnSwapEntry(kind: number): boolean {
  return (
    kind === Kind.migration || kind === Kind.devicePrivate || kind === Kind.deviceExclusive || kind === Kind.hwpoison
  );
}

/** The swap type of Linux for a non-present entry; a page in swap is on type 0. */
function swapType(lo: number): number {
  const write = (lo & Pte.write) !== 0;
  switch (kindOf(lo)) {
    case Kind.migration:
      if (write) return SWP_MIGRATION_WRITE;
      return lo & Pte.exclusive ? SWP_MIGRATION_READ_EXCLUSIVE : SWP_MIGRATION_READ;
    case Kind.devicePrivate:
      return write ? SWP_DEVICE_WRITE : SWP_DEVICE_READ;
    case Kind.deviceExclusive:
      return write ? SWP_DEVICE_EXCLUSIVE_WRITE : SWP_DEVICE_EXCLUSIVE_READ;
    case Kind.marker:
      return SWP_PTE_MARKER;
    default:
      return 0;
  }
}
