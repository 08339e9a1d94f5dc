import { EINVAL, ENOSPC } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { folioGet, folioLock, folioPut, folioSetLocked, folioUnlock } from '../frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, PAGE_SIZE, PG } from '../frames/frames.js';
import { clearHugePage } from '../huge/huge-zero.js';
import { HugetlbFileReservation } from '../huge/hugetlb-file-reservation.js';
import { hugetlbReservePages } from '../huge/hugetlb-pool.js';
import type { Memory } from '../memory.js';
import { alignDown, alignUp } from '../tables/page-align.js';
import { VM, VM_LOCKED_MASK } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import { AddressSpace } from './address-space.js';
import { filemapLockFolio, filemapRemoveFolio, shmemAddToPageCache } from './filemap.js';
import { type ReadRequest, readMapping } from './read-mapping.js';
import { type IndexRange, unmapMappingPages } from './unmap-mapping.js';

/** A new, empty file of huge pages. Its cache has each at the index of its first small page. */
export function newHugetlbfsMapping(memory: Memory): AddressSpace {
  const mapping = new AddressSpace(memory, memory.newMappingId());
  mapping.hugetlb = new HugetlbFileReservation(memory.hugetlb, mapping.pages);
  memory.mappings.set(mapping.id, mapping);
  return mapping;
}

/** A mapping of it promises pages, and makes the file longer where it can be written. Linux: fs/hugetlbfs/inode.c:hugetlbfs_file_mmap() */
export function hugetlbfsFileMmap(vma: Vma, mapping: AddressSpace): number {
  vma.flags = (vma.flags & ~VM_LOCKED_MASK) | VM.hugetlb | VM.dontexpand;
  if (vma.pgoff % HPAGE_PMD_NR !== 0) return -EINVAL;
  const error = hugetlbReservePages(vma, mapping.hugetlb);
  const end = vma.linearPageIndex(vma.end) * PAGE_SIZE;
  if (error === 0 && vma.flags & VM.write) mapping.size = Math.max(mapping.size, end);
  return error;
}

/** The page of `index`, locked and referenced; 0 for a hole. Linux: include/linux/hugetlb.h:filemap_lock_hugetlb_folio() */
export function* filemapLockHugetlbFolio(memory: Memory, mapping: AddressSpace, index: number): Coroutine<number> {
  return yield* filemapLockFolio(memory, mapping, index);
}

/** A new page, locked and with a reference for the caller, becomes that of `index`. Linux: mm/hugetlb.c:hugetlb_add_to_page_cache() */
export function hugetlbAddToPageCache(memory: Memory, mapping: AddressSpace, index: number, head: number): void {
  folioSetLocked(memory, head);
  shmemAddToPageCache(memory, head, mapping, index);
  memory.frames.setFlags(head, PG.dirty);
}

/** Sets the length, a multiple of 2 MiB. Linux: fs/hugetlbfs/inode.c:hugetlb_vmtruncate() */
export function* hugetlbVmtruncate(memory: Memory, mapping: AddressSpace, sizeBytes: number): Coroutine<void> {
  const isShorter = sizeBytes < mapping.size;
  mapping.size = sizeBytes;
  if (!isShorter) return;
  const first = sizeBytes / PAGE_SIZE;
  yield* unmapMappingPages(mapping, { first });
  yield* removeInodeHugepages(memory, mapping, { first });
  mapping.hugetlb!.unreserveFrom(first / HPAGE_PMD_NR);
}

/** Linux: fs/hugetlbfs/inode.c:hugetlbfs_evict_inode() */
export function* hugetlbfsEvictInode(memory: Memory, mapping: AddressSpace): Coroutine<void> {
  mapping.size = 0;
  yield* removeInodeHugepages(memory, mapping, { first: 0 });
  mapping.hugetlb!.unreserveFrom(0);
  memory.mappings.delete(mapping.id);
}

/** Whole pages go, private copies of them too; of others the part becomes zero. Linux: fs/hugetlbfs/inode.c:hugetlbfs_punch_hole() */
export function* hugetlbfsPunchHole(
  memory: Memory,
  mapping: AddressSpace,
  offset: number,
  len: number,
): Coroutine<void> {
  const holeStart = alignUp(offset, HPAGE_PMD_SIZE);
  const holeEnd = alignDown(offset + len, HPAGE_PMD_SIZE);
  if (offset < holeStart) yield* hugetlbfsZeroPartialPage(memory, mapping, offset, Math.min(offset + len, holeStart));
  const hole = { first: holeStart / PAGE_SIZE, end: holeEnd / PAGE_SIZE };
  if (holeEnd > holeStart) yield* unmapMappingPages(mapping, hole);
  if (offset + len > Math.max(holeEnd, holeStart))
    yield* hugetlbfsZeroPartialPage(memory, mapping, holeEnd, offset + len);
  if (holeEnd > holeStart) yield* removeInodeHugepages(memory, mapping, hole);
}

/** Linux: fs/hugetlbfs/inode.c:hugetlbfs_zero_partial_page() */
function* hugetlbfsZeroPartialPage(memory: Memory, mapping: AddressSpace, from: number, to: number): Coroutine<void> {
  const index = alignDown(from, HPAGE_PMD_SIZE) / PAGE_SIZE;
  const head = yield* filemapLockHugetlbFolio(memory, mapping, index);
  if (head === 0) return;
  const base = (head - index) * PAGE_SIZE;
  memory.contentChanges(head, HPAGE_PMD_NR);
  memory.bytes.fill(0, base + from, base + to);
  folioUnlock(memory, head);
  folioPut(memory, head);
}

/** Faults are kept away from each page while it goes; who mapped it again meanwhile loses it. Linux: fs/hugetlbfs/inode.c:remove_inode_hugepages() */
function* removeInodeHugepages(
  memory: Memory,
  mapping: AddressSpace,
  { first, end = Number.POSITIVE_INFINITY }: IndexRange,
): Coroutine<void> {
  const { faultMutex } = memory.hugetlb;
  for (const index of mapping.pages.filled(first)) {
    if (index >= end) return;
    yield* faultMutex.lock();
    yield* removeInodeSingleFolio(memory, mapping, index);
    faultMutex.unlock();
  }
}

/** Linux: fs/hugetlbfs/inode.c:remove_inode_single_folio() */
function* removeInodeSingleFolio(memory: Memory, mapping: AddressSpace, index: number): Coroutine<void> {
  const head = mapping.pages.get(index);
  if (head === 0) return;
  const page = { first: index, end: index + HPAGE_PMD_NR };
  if (memory.frames.folioMapcount(head) > 0) yield* unmapMappingPages(mapping, page);
  folioGet(memory, head);
  yield* folioLock(memory, head);
  memory.frames.clearFlags(head, PG.dirty);
  filemapRemoveFolio(memory, head);
  folioUnlock(memory, head);
  folioPut(memory, head);
}

/** Gives every huge page that [offset, offset + len) touches. 0 or -ENOSPC. Linux: part of fs/hugetlbfs/inode.c:hugetlbfs_fallocate() */
export function* hugetlbfsAllocate(
  memory: Memory,
  mapping: AddressSpace,
  { offset, len, keepsSize }: { offset: number; len: number; keepsSize: boolean },
): Coroutine<number> {
  const { faultMutex } = memory.hugetlb;
  const end = Math.ceil((offset + len) / HPAGE_PMD_SIZE);
  for (let i = Math.floor(offset / HPAGE_PMD_SIZE); i < end; i++) {
    yield* faultMutex.lock();
    const isThere = mapping.pages.get(i * HPAGE_PMD_NR) !== 0;
    const head = isThere ? 0 : mapping.hugetlb!.allocate(i);
    if (head !== 0) {
      clearHugePage(memory, head);
      memory.frames.setFlags(head, PG.uptodate);
      hugetlbAddToPageCache(memory, mapping, i * HPAGE_PMD_NR, head);
      folioUnlock(memory, head);
      folioPut(memory, head);
    }
    faultMutex.unlock();
    if (!isThere && head === 0) return -ENOSPC;
  }
  if (!keepsSize) mapping.size = Math.max(mapping.size, offset + len);
  return 0;
}

/** Linux: fs/hugetlbfs/inode.c:hugetlbfs_read_iter() */
export function hugetlbfsReadIter(memory: Memory, mapping: AddressSpace, place: ReadRequest): Coroutine<Uint8Array> {
  return readMapping(memory, mapping, { ...place, pageSize: HPAGE_PMD_SIZE }, function* (index) {
    const head = yield* filemapLockHugetlbFolio(memory, mapping, index);
    if (head !== 0) folioUnlock(memory, head);
    return head;
  });
}
