import { folioLikelyMappedShared } from '../../../mm/frames/folio-sharing.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../../../mm/frames/frames.js';
import { THP_ORDERS_ALL_ANON, TVA, thpVmaAllowableOrders } from '../../../mm/huge/thp-policy.js';
import { Kind, kindOf, Pte } from '../../../mm/tables/entry.js';
import { pmdIndex, pteIndex, type Table } from '../../../mm/tables/page-table.js';
import { VM } from '../../../mm/vmas/vm-flags.js';
import { mapsShmem, type Vma } from '../../../mm/vmas/vma.js';

const KIB = 1024;
/** Shares of pages are counted in parts of a byte, so that they add up. Linux: PSS_SHIFT */
const PSS_SCALE = 2 ** 12;

/** Bytes; those that begin with `pss`, and `swapPss`, in parts. Linux: struct mem_size_stats */
interface MemSizeStats {
  resident: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  referenced: number;
  anonymous: number;
  lazyfree: number;
  anonymousThp: number;
  shmemThp: number;
  sharedHugetlb: number;
  privateHugetlb: number;
  swap: number;
  pss: number;
  pssDirty: number;
  pssLocked: number;
  swapPss: number;
}

function noStats(): MemSizeStats {
  return {
    ...{ resident: 0, sharedClean: 0, sharedDirty: 0, privateClean: 0, privateDirty: 0, referenced: 0 },
    ...{ anonymous: 0, lazyfree: 0, anonymousThp: 0, shmemThp: 0, sharedHugetlb: 0, privateHugetlb: 0 },
    ...{ swap: 0, pss: 0, pssDirty: 0, pssLocked: 0, swapPss: 0 },
  };
}

/** Linux: fs/proc/task_mmu.c:smap_gather_stats() */
function smapGatherStats(vma: Vma): MemSizeStats {
  const mss = noStats();
  const endVpn = vma.end / PAGE_SIZE;
  if (mapsShmem(vma)) mss.swap += shmemSwapUsage(vma) * PAGE_SIZE;
  for (let vpn = vma.start / PAGE_SIZE; vpn < endVpn; ) {
    const pmd = vma.mm.pageTable.pmdTable(vpn);
    const i = pmdIndex(vpn);
    if (pmd === null || kindOf(pmd.lo(i)) !== Kind.table) {
      if (pmd !== null && vma.flags & VM.hugetlb) smapsHugetlbRange(mss, vma, pmd, i);
      else if (pmd !== null) smapsPmdEntry(mss, vma, pmd, i);
      vpn = (Math.floor(vpn / HPAGE_PMD_NR) + 1) * HPAGE_PMD_NR;
      continue;
    }
    smapsPteEntry(mss, vma, pmd.child(i)!, pteIndex(vpn));
    vpn++;
  }
  return mss;
}

/**
 * Pages of the file that are in swap; where the process may have copies of its own, only those where it has nothing.
 * Linux: mm/shmem.c:shmem_swap_usage(), fs/proc/task_mmu.c:smaps_pte_hole()
 */
function shmemSwapUsage(vma: Vma): number {
  const { pages } = vma.file!.mapping!;
  const isOwn = !vma.isShared && (vma.flags & VM.write) !== 0;
  let count = 0;
  pages.forEach((value, index) => {
    const addr = vma.addressOf(index);
    if (value < 0 && addr >= 0 && !(isOwn && isFilled(vma, addr / PAGE_SIZE))) count++;
  });
  return count;
}

function isFilled({ mm }: Vma, vpn: number): boolean {
  const table = mm.pageTable.pteTable(vpn);
  return table !== null && kindOf(table.lo(pteIndex(vpn))) !== Kind.none;
}

/** An entry that names a page, and where its share is known: Linux takes device-private entries as present ones. */
function pageOf({ flags }: Vma, table: Table, i: number): { pfn: number; isPresent: boolean } | null {
  const lo = table.lo(i);
  switch (kindOf(lo)) {
    case Kind.present:
      return lo & Pte.special || flags & VM.pfnmap ? null : { pfn: table.hi(i), isPresent: true };
    case Kind.devicePrivate:
      return { pfn: table.hi(i), isPresent: !(lo & Pte.huge) };
    case Kind.migration:
    case Kind.deviceExclusive:
      return { pfn: table.hi(i), isPresent: false };
    default:
      return null;
  }
}

/** Linux: fs/proc/task_mmu.c:smaps_pte_entry() */
function smapsPteEntry(mss: MemSizeStats, vma: Vma, table: Table, i: number): void {
  const lo = table.lo(i);
  if (kindOf(lo) === Kind.swap) {
    mss.swap += PAGE_SIZE;
    mss.swapPss += shareOf(vma.mm.memory.swap.swapCount(table.hi(i)));
    return;
  }
  const page = pageOf(vma, table, i);
  if (page !== null) smapsAccount(mss, vma, { ...page, nr: 1, lo });
}

/** Linux: fs/proc/task_mmu.c:smaps_pmd_entry() */
function smapsPmdEntry(mss: MemSizeStats, vma: Vma, pmd: Table, i: number): void {
  const page = pageOf(vma, pmd, i);
  if (page === null) return;
  if (vma.mm.memory.frames.isAnon(page.pfn)) mss.anonymousThp += HPAGE_PMD_SIZE;
  else mss.shmemThp += HPAGE_PMD_SIZE;
  smapsAccount(mss, vma, { ...page, nr: HPAGE_PMD_NR, lo: pmd.lo(i) });
}

/** Linux: fs/proc/task_mmu.c:smaps_hugetlb_range() */
function smapsHugetlbRange(mss: MemSizeStats, vma: Vma, pmd: Table, i: number): void {
  const page = pageOf(vma, pmd, i);
  if (page === null) return;
  if (!page.isPresent || folioLikelyMappedShared(vma.mm.memory, page.pfn)) mss.sharedHugetlb += HPAGE_PMD_SIZE;
  else mss.privateHugetlb += HPAGE_PMD_SIZE;
}

/** `nr` pages that the entry with the low half `lo` names. */
interface MappedPages {
  readonly pfn: number;
  readonly nr: number;
  readonly lo: number;
  readonly isPresent: boolean;
}

/** Deviates: no folio remembers that it was referenced, only the entry. Linux: fs/proc/task_mmu.c:smaps_account() */
function smapsAccount(mss: MemSizeStats, vma: Vma, { pfn, nr, lo, isPresent }: MappedPages): void {
  const { frames } = vma.mm.memory;
  const head = frames.head(pfn);
  const bytes = nr * PAGE_SIZE;
  const isEntryPresent = kindOf(lo) === Kind.present;
  const isDirty = (isEntryPresent && (lo & Pte.dirty) !== 0) || frames.hasFlags(head, PG.dirty);
  if (frames.isAnon(head)) {
    mss.anonymous += bytes;
    if (!frames.hasFlags(head, PG.swapbacked) && !isDirty) mss.lazyfree += bytes;
  }
  mss.resident += bytes;
  if (isEntryPresent && lo & Pte.young) mss.referenced += bytes;
  const isLocked = (vma.flags & VM.locked) !== 0;
  if (!isPresent || frames.refcount(head) === 1) {
    smapsPageAccumulate(mss, { bytes, pss: bytes * PSS_SCALE, isDirty, isLocked, isPrivate: isPresent });
    return;
  }
  for (let i = 0; i < nr; i++) {
    const mapcount = frames.mapcount(pfn + i) + frames.entireMapcount(head);
    const isPrivate = mapcount < 2;
    smapsPageAccumulate(mss, { bytes: PAGE_SIZE, pss: shareOf(mapcount), isDirty, isLocked, isPrivate });
  }
}

function shareOf(mapcount: number): number {
  return Math.floor((PAGE_SIZE * PSS_SCALE) / Math.max(1, mapcount));
}

interface Share {
  readonly bytes: number;
  readonly pss: number;
  readonly isDirty: boolean;
  readonly isLocked: boolean;
  readonly isPrivate: boolean;
}

/** Linux: fs/proc/task_mmu.c:smaps_page_accumulate() */
function smapsPageAccumulate(mss: MemSizeStats, { bytes, pss, isDirty, isLocked, isPrivate }: Share): void {
  mss.pss += pss;
  if (isLocked) mss.pssLocked += pss;
  if (isDirty) mss.pssDirty += pss;
  if (isDirty && isPrivate) mss.privateDirty += bytes;
  else if (isDirty) mss.sharedDirty += bytes;
  else if (isPrivate) mss.privateClean += bytes;
  else mss.sharedClean += bytes;
}

/** What follows the line of the vma. Linux: fs/proc/task_mmu.c:show_smap(), __show_smap() */
export function showSmap(vma: Vma): string {
  const mss = smapGatherStats(vma);
  const pageSize = vma.flags & VM.hugetlb ? HPAGE_PMD_SIZE : PAGE_SIZE;
  const rows: [string, number][] = [
    ['Size', vma.end - vma.start],
    ['KernelPageSize', pageSize],
    ['MMUPageSize', pageSize],
    ['Rss', mss.resident],
    ['Pss', mss.pss / PSS_SCALE],
    ['Pss_Dirty', mss.pssDirty / PSS_SCALE],
    ['Shared_Clean', mss.sharedClean],
    ['Shared_Dirty', mss.sharedDirty],
    ['Private_Clean', mss.privateClean],
    ['Private_Dirty', mss.privateDirty],
    ['Referenced', mss.referenced],
    ['Anonymous', mss.anonymous],
    ['KSM', 0],
    ['LazyFree', mss.lazyfree],
    ['AnonHugePages', mss.anonymousThp],
    ['ShmemPmdMapped', mss.shmemThp],
    ['FilePmdMapped', 0],
    ['Shared_Hugetlb', mss.sharedHugetlb],
    ['Private_Hugetlb', mss.privateHugetlb],
    ['Swap', mss.swap],
    ['SwapPss', mss.swapPss / PSS_SCALE],
    ['Locked', mss.pssLocked / PSS_SCALE],
  ];
  const text = rows.map(([name, bytes]) => `${`${name}:`.padEnd(16)}${kib(bytes).padStart(8)} kB\n`).join('');
  const orders = thpVmaAllowableOrders(vma, TVA.smaps | TVA.enforceSysfs, { orders: THP_ORDERS_ALL_ANON });
  return `${text}THPeligible:    ${String(orders === 0 ? 0 : 1).padStart(8)}\n${showSmapVmaFlags(vma)}\n`;
}

function kib(bytes: number): string {
  return String(Math.floor(bytes / KIB));
}

/** In the order of Linux's bits. */
const MNEMONICS: readonly [number, string][] = [
  [VM.read, 'rd'],
  [VM.write, 'wr'],
  [VM.exec, 'ex'],
  [VM.shared, 'sh'],
  [VM.mayread, 'mr'],
  [VM.maywrite, 'mw'],
  [VM.mayexec, 'me'],
  [VM.mayshare, 'ms'],
  [VM.growsdown, 'gd'],
  [VM.uffdMissing, 'um'],
  [VM.pfnmap, 'pf'],
  [VM.uffdWp, 'uw'],
  [VM.locked, 'lo'],
  [VM.io, 'io'],
  [VM.seqRead, 'sr'],
  [VM.randRead, 'rr'],
  [VM.dontcopy, 'dc'],
  [VM.dontexpand, 'de'],
  [VM.lockonfault, 'lf'],
  [VM.account, 'ac'],
  [VM.noreserve, 'nr'],
  [VM.hugetlb, 'ht'],
  [VM.wipeonfork, 'wf'],
  [VM.dontdump, 'dd'],
  [VM.notSoftDirty, 'sd'],
  [VM.mixedmap, 'mm'],
  [VM.hugepage, 'hg'],
  [VM.nohugepage, 'nh'],
  [VM.uffdMinor, 'ui'],
];

/** Linux: fs/proc/task_mmu.c:show_smap_vma_flags() */
function showSmapVmaFlags({ flags }: Vma): string {
  const set = MNEMONICS.filter(([bit]) => (flags ^ VM.notSoftDirty) & bit);
  return `VmFlags: ${set.map(([, name]) => `${name} `).join('')}`;
}
