import { EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSPC } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import type { IovIter } from '../faults/iov-iter.js';
import {
  clearPage,
  folioAddLru,
  folioGet,
  folioLock,
  folioPut,
  folioSetLocked,
  folioUnlock,
  folioUnlockAndPut,
} from '../frames/folio.js';
import { PAGE_SIZE, PG } from '../frames/frames.js';
import { splitFolio } from '../huge/thp-split-folio.js';
import type { Memory } from '../memory.js';
import { folioMarkDirty } from '../tables/pte-build.js';
import { AddressSpace, type FileSystemLimit } from './address-space.js';
import { shmemAddToPageCache } from './filemap.js';
import { type ReadRequest, readMapping } from './read-mapping.js';
import { shmemSwapinFolio } from './shmem-swap.js';
import { shmemUndoRange } from './shmem-undo-range.js';
import { unmapMappingPages } from './unmap-mapping.js';

/** A new, empty tmpfs file of `sizeBytes`. Shared anonymous memory is such a file without a name. */
export function newShmemMapping(memory: Memory, sizeBytes: number): AddressSpace {
  const mapping = new AddressSpace(memory, memory.newMappingId());
  mapping.size = sizeBytes;
  memory.mappings.set(mapping.id, mapping);
  return mapping;
}

/** Pages that tmpfs has of all its files. Linux: NR_SHMEM */
export function countShmemPages({ mappings }: Memory): number {
  let count = 0;
  for (const { hugetlb, pages } of mappings.values()) {
    if (hugetlb !== null) continue;
    pages.forEach((page) => {
      if (page > 0) count++;
    });
  }
  return count;
}

/** `shmemGetFolio` found what a userfaultfd serves, and did nothing. */
export const SERVED = -EAGAIN;

/**
 * What a page is wanted for. `read` and `noalloc` take what is there, and what fallocate(2) has put there is a hole to `read`; `cache` makes
 * a page, `write` and `falloc` behind the end too. Linux: enum sgp_type
 */
type SgpType = 'read' | 'noalloc' | 'cache' | 'write' | 'falloc';

interface ShmemGet {
  readonly sgp: SgpType;
  /** Is this, 0 for a hole, for somebody else to serve? */
  readonly isServed?: (found: number) => boolean;
}

/**
 * The page of `index` with one reference for the caller: resident, read in from swap, or new and zeroed; 0: a hole. -EINVAL behind the end of
 * the file, -ENOMEM without memory, -ENOSPC in a full tmpfs. What fallocate puts there is uptodate once somebody else asks for it, or
 * fallocate again. The page is not locked: who needs it to stay in the file locks it and looks at `mapping` again.
 * Linux: mm/shmem.c:shmem_get_folio(), shmem_get_folio_gfp()
 */
export function* shmemGetFolio(
  memory: Memory,
  mapping: AddressSpace,
  index: number,
  { sgp, isServed }: ShmemGet,
): Coroutine<number> {
  const { frames } = memory;
  const takesBehindEnd = sgp === 'write' || sgp === 'falloc';
  for (;;) {
    if (memory.kernel.scheduler.isFine) yield FINE.cache;
    if (index * PAGE_SIZE >= mapping.size && !takesBehindEnd) return -EINVAL;
    const found = mapping.pages.get(index);
    if (isServed?.(found)) return SERVED;
    if (found < 0) {
      const result = yield* shmemSwapinFolio(memory, mapping, index);
      if (result !== 0) return result;
      continue;
    }
    if (found === 0)
      return sgp === 'read' || sgp === 'noalloc' ? 0 : shmemAllocAndAddFolio(memory, mapping, index, sgp);
    const head = frames.head(found);
    if (!frames.hasFlags(head, PG.uptodate)) {
      if (sgp === 'read') return 0;
      frames.setFlags(head, PG.uptodate);
    }
    folioGet(memory, found);
    return found;
  }
}

/** As `shmemGetFolio`, with the folio locked: it stays in the file. */
export function* getAndLockPage(
  memory: Memory,
  mapping: AddressSpace,
  index: number,
  how: ShmemGet,
): Coroutine<number> {
  for (;;) {
    const pfn = yield* shmemGetFolio(memory, mapping, index, how);
    if (pfn <= 0) return pfn;
    yield* folioLock(memory, pfn);
    if (mapping.pages.get(index) === pfn) return pfn;
    folioUnlock(memory, pfn);
    folioPut(memory, pfn);
  }
}

/** Linux: mm/shmem.c:shmem_alloc_and_add_folio(). Deviates: no huge pages in shmem, whose default in 6.12 is `never`. */
function shmemAllocAndAddFolio(memory: Memory, mapping: AddressSpace, index: number, sgp: SgpType): number {
  if (!hasRoom(mapping, 1)) return -ENOSPC;
  const pfn = memory.allocator.allocate();
  if (pfn === 0) return -ENOMEM;
  clearPage(memory, pfn);
  memory.frames.setFlags(pfn, sgp === 'falloc' ? PG.swapbacked : PG.swapbacked | PG.uptodate);
  folioSetLocked(memory, pfn);
  shmemAddToPageCache(memory, pfn, mapping, index);
  folioAddLru(memory, pfn);
  folioUnlock(memory, pfn);
  return pfn;
}

/** Does the file system hold `npages` more? Linux: part of mm/shmem.c:shmem_inode_acct_blocks() */
function hasRoom({ limit }: AddressSpace, npages: number): boolean {
  return limit === null || limit.maxPages === 0 || usedPages(limit) + npages <= limit.maxPages;
}

/** Pages in swap count too, and those that are promised. */
export function usedPages({ files }: FileSystemLimit): number {
  return files.reduce((used, { pages, charged }) => used + pages.count + charged, 0);
}

/** Promises the file `npages` more; false when its file system is full. Linux: mm/shmem.c:shmem_charge() */
export function shmemCharge(mapping: AddressSpace, npages: number): boolean {
  if (!hasRoom(mapping, npages)) return false;
  mapping.charged += npages;
  return true;
}

/** They are there by now, or never will be. Linux: mm/shmem.c:shmem_uncharge() */
export function shmemUncharge(mapping: AddressSpace, npages: number): void {
  mapping.charged -= npages;
  assert(mapping.charged >= 0, 'mapping % was promised fewer pages', mapping.id);
}

/**
 * Sets the length: pages behind it are unmapped everywhere (private copies too) and dropped, the rest of the last page
 * becomes zero. What was allocated behind goes too where the length is the old one. Linux: part of mm/shmem.c:shmem_setattr()
 */
export function* shmemTruncate(memory: Memory, mapping: AddressSpace, sizeBytes: number): Coroutine<void> {
  const oldSize = mapping.size;
  mapping.size = sizeBytes;
  if (sizeBytes > oldSize) return;
  const firstIndex = Math.ceil(sizeBytes / PAGE_SIZE);
  yield* unmapMappingPages(mapping, { first: firstIndex });
  yield* shmemUndoRange(memory, mapping, { first: firstIndex });
  // A page that was faulted in again between the two steps is behind the end now, so this pass finds the last of them.
  yield* unmapMappingPages(mapping, { first: firstIndex });
  yield* clearTail(memory, mapping, sizeBytes);
}

/** Frees every page of a file whose last name, descriptor and mapping are gone. Linux: mm/shmem.c:shmem_evict_inode() */
export function* shmemEvictInode(memory: Memory, mapping: AddressSpace): Coroutine<void> {
  assert(mapping.vmas.length === 0, 'mapping % is evicted while it is mapped', mapping.id);
  mapping.size = 0;
  yield* shmemUndoRange(memory, mapping, { first: 0 });
  mapping.limit?.files.splice(mapping.limit.files.indexOf(mapping), 1);
  memory.mappings.delete(mapping.id);
}

/**
 * Makes [offset, offset + len) read as zero: whole pages go, private copies of them stay.
 * Linux: part of mm/shmem.c:shmem_fallocate(), for FALLOC_FL_PUNCH_HOLE
 */
export function* shmemPunchHole(memory: Memory, mapping: AddressSpace, offset: number, len: number): Coroutine<void> {
  const [first, end] = [Math.ceil(offset / PAGE_SIZE), Math.floor((offset + len) / PAGE_SIZE)];
  if (first > end) {
    yield* clearPart(memory, mapping, offset, offset + len);
    return;
  }
  const hole = { first, end, evenCows: false };
  yield* unmapMappingPages(mapping, hole);
  yield* shmemUndoRange(memory, mapping, hole);
  // Linux: mm/truncate.c:truncate_inode_folio(), for what was mapped again in between
  yield* unmapMappingPages(mapping, hole);
  yield* clearPart(memory, mapping, offset, first * PAGE_SIZE);
  yield* clearPart(memory, mapping, end * PAGE_SIZE, offset + len);
}

/**
 * Gives [offset, offset + len) pages; the file grows unless `keepsSize`. 0, or -ENOMEM, which leaves the size.
 * Linux: part of mm/shmem.c:shmem_fallocate(). Deviates: the pages given before memory ran out stay.
 */
export function* shmemAllocate(
  memory: Memory,
  mapping: AddressSpace,
  { offset, len, keepsSize }: { offset: number; len: number; keepsSize: boolean },
): Coroutine<number> {
  const end = offset + len;
  mapping.fallocEnd = Math.max(mapping.fallocEnd, Math.ceil(end / PAGE_SIZE));
  for (let index = Math.floor(offset / PAGE_SIZE); index * PAGE_SIZE < end; index++) {
    const pfn = yield* shmemGetFolio(memory, mapping, index, { sgp: 'falloc' });
    if (pfn < 0) return pfn;
    // Reclaim must not drop it.
    folioMarkDirty(memory, pfn);
    folioPut(memory, pfn);
  }
  if (!keepsSize) mapping.size = Math.max(mapping.size, end);
  return 0;
}

function* clearTail(memory: Memory, mapping: AddressSpace, sizeBytes: number): Coroutine<void> {
  yield* clearPart(memory, mapping, sizeBytes, Math.ceil(sizeBytes / PAGE_SIZE) * PAGE_SIZE);
}

/** Clears the bytes [from, to), which lie in one page; a large folio is split if it can be. Linux: part of mm/truncate.c:truncate_inode_partial_folio() */
function* clearPart(memory: Memory, mapping: AddressSpace, from: number, to: number): Coroutine<void> {
  if (from >= to) return;
  const index = Math.floor(from / PAGE_SIZE);
  const pfn = yield* getAndLockPage(memory, mapping, index, { sgp: 'read' });
  if (pfn <= 0) return;
  const head = memory.frames.head(pfn);
  const base = (pfn - index) * PAGE_SIZE;
  if (memory.kernel.scheduler.isFine) yield FINE.content;
  memory.contentChanges(pfn);
  memory.bytes.fill(0, base + from, base + to);
  if (memory.frames.order(head) > 0) yield* splitFolio(memory, head);
  yield* folioUnlockAndPut(memory, head);
}

/** Holes stay holes. Linux: mm/shmem.c:shmem_file_read_iter() */
export function shmemFileReadIter(memory: Memory, mapping: AddressSpace, place: ReadRequest): Coroutine<Uint8Array> {
  return readMapping(memory, mapping, { ...place, pageSize: PAGE_SIZE }, (index) =>
    shmemGetFolio(memory, mapping, index, { sgp: 'read' }),
  );
}

/** Where is written, and how many bytes at most. */
interface WriteRequest extends ReadRequest {
  /** 0, or why the file may not be written up to `end`. */
  readonly refusal?: (end: number) => number;
}

/** write(2): bytes done, or -errno when none were. The file grows. Linux: mm/shmem.c:shmem_file_write_iter(), part of mm/filemap.c:generic_perform_write() */
export function* shmemFileWriteIter(
  memory: Memory,
  mapping: AddressSpace,
  from: IovIter,
  { offset, lenBytes, refusal }: WriteRequest,
): Coroutine<number> {
  for (let done = 0; done < lenBytes; ) {
    const at = offset + done;
    const inPage = at % PAGE_SIZE;
    const bytes = new Uint8Array(Math.min(PAGE_SIZE - inPage, lenBytes - done));
    const copied = yield* from.copyFrom(bytes);
    const error = copied === 0 ? -EFAULT : (refusal?.(at + bytes.length) ?? 0);
    if (error !== 0) return done || error;
    const index = Math.floor(at / PAGE_SIZE);
    const pfn = yield* getAndLockPage(memory, mapping, index, { sgp: 'write' });
    if (pfn < 0) return done > 0 ? done : pfn;
    mapping.size = Math.max(mapping.size, at + copied);
    if (memory.kernel.scheduler.isFine) yield FINE.content;
    memory.contentChanges(pfn);
    memory.bytes.set(bytes.subarray(0, copied), pfn * PAGE_SIZE + inPage);
    folioMarkDirty(memory, pfn);
    yield* folioUnlockAndPut(memory, pfn);
    done += copied;
  }
  return lenBytes;
}
