import { EACCES, EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM } from '../../../uapi/errno.js';
import {
  MAP_ANONYMOUS,
  MAP_DENYWRITE,
  MAP_EXECUTABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  MAP_UNINITIALIZED,
  PROT_WRITE,
} from '../../../uapi/mman.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';
import { sizelogError } from '../huge/hstate-sizelog.js';
import { hugetlbReservePages } from '../huge/hugetlb-pool.js';
import { khugepagedEnterVma } from '../huge/khugepaged-enter.js';
import { alignDown, alignUp, pageAlign } from '../tables/page-align.js';
import { vmaSupportsMlock } from './mlock.js';
import { type Mm, mayExpandVm, mmapAssertWriteLocked, vmEnoughMemory } from './mm.js';
import { AfterUnlock, vmsCleanUpArea, vmsCompleteMunmapVmas, vmsGatherMunmapVmas } from './munmap.js';
import { mmPopulate } from './populate.js';
import { getUnmappedArea, MMAP_MIN_ADDR } from './unmapped-area.js';
import { VM, VM_ACCESS_FLAGS, VM_LOCKED_MASK } from './vm-flags.js';
import { type MappedFile, Vma } from './vma.js';
import { findVmaIntersection, insertVma, lockRmap, unlockRmap, vmaLinkFile } from './vma-list.js';
import { vmaMergeNewRange } from './vma-merge.js';

/** Flags that MAP_SHARED_VALIDATE takes. Linux: LEGACY_MAP_MASK, with MAP_32BIT, MAP_ABOVE4G and the two huge sizes. */
const LEGACY_MAP_MASK =
  MAP_SHARED |
  MAP_PRIVATE |
  MAP_FIXED |
  MAP_ANONYMOUS |
  MAP_DENYWRITE |
  MAP_EXECUTABLE |
  MAP_UNINITIALIZED |
  MAP_GROWSDOWN |
  MAP_LOCKED |
  MAP_NORESERVE |
  MAP_POPULATE |
  MAP_NONBLOCK |
  MAP_STACK |
  MAP_HUGETLB |
  0xc0 |
  (21 << 26) |
  (30 << 26);

/** Linux: MAX_LFS_FILESIZE, 2^63 bytes */
const MAX_FILE_PAGES = 2 ** 51;

/** What a new mapping has not. */
const NOTHING = { anonVma: null, userfault: null };

/** Arguments of mmap(2), with the descriptor replaced by its file. */
export interface MmapRequest {
  readonly addr: number;
  readonly len: number;
  /** PROT_* bits. */
  readonly prot: number;
  /** MAP_* bits. */
  readonly flags: number;
  /**
   * The file of the descriptor; with MAP_SHARED | MAP_ANONYMOUS a new tmpfs file of the caller's; null for private
   * anonymous memory and MAP_HUGETLB. The mapping takes a reference of its own, the caller keeps his.
   */
  readonly file: MappedFile | null;
  /** Offset in the file, in pages. */
  readonly pgoff: number;
  /** How the file was opened; read and write when it is left out. */
  readonly mode?: { readonly read: boolean; readonly write: boolean };
  /** The file's own part: it may set `vma.ops`, add flags and insert pages. 0 or a negative errno. Linux: f_op->mmap */
  readonly mmapFile?: (vma: Vma) => Coroutine<number>;
}

/** The system call: an address, or a negative errno. Linux: mm/util.c:vm_mmap_pgoff(), part of mm/mmap.c:ksys_mmap_pgoff() */
export function* vmMmapPgoff(mm: Mm, request: MmapRequest): Coroutine<number> {
  const isHugetlb = isFileHugepages(request);
  if (request.flags & MAP_HUGETLB) {
    const error = sizelogError(request.flags);
    if (error !== 0) return error;
    if (request.file !== null && !request.file.mapping?.hugetlb) return -EINVAL;
  }
  const len = isHugetlb ? alignUp(request.len, HPAGE_PMD_SIZE) : request.len;
  const after = new AfterUnlock();
  yield* mm.mmapLock.writeLock();
  const addr = yield* doMmap(mm, { ...request, len }, after);
  mm.mmapLock.writeUnlock();
  yield* after.run();
  const populates = (request.flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE;
  const isLocked = addr >= 0 && (vmFlagsOf(mm, request, request.prot) & VM.locked) !== 0;
  if (addr >= 0 && (populates || isLocked)) yield* mmPopulate(mm, addr, addr + pageAlign(len));
  return addr;
}

/** Linux: include/linux/hugetlb.h:is_file_hugepages(), and MAP_HUGETLB, of which Linux makes a file */
function isFileHugepages({ flags, file }: MmapRequest): boolean {
  return file === null ? (flags & MAP_HUGETLB) !== 0 : file.mapping?.hugetlb != null;
}

/** The checks, in their order, and the place. mmap_lock is held for write. Linux: mm/mmap.c:do_mmap() */
export function* doMmap(mm: Mm, request: MmapRequest, after: AfterUnlock): Coroutine<number> {
  mmapAssertWriteLocked(mm);
  const { prot, file } = request;
  if (request.len === 0) return -EINVAL;
  const flags = request.flags & MAP_FIXED_NOREPLACE ? request.flags | MAP_FIXED : request.flags;
  const len = pageAlign(request.len);
  if (len === 0) return -ENOMEM;
  if (mm.vmas.length > mm.memory.maxMapCount || !mm.memory.kernelMemory.has(1)) return -ENOMEM;
  const addr = getUnmappedArea(mm, {
    addr: flags & MAP_FIXED ? request.addr : roundHintToMin(request.addr),
    len,
    flags,
    isHugetlb: isFileHugepages(request),
    isAnonymous: file === null,
  });
  if (addr < 0) return addr;
  if (flags & MAP_FIXED_NOREPLACE && findVmaIntersection(mm, addr, addr + len) !== null) return -EEXIST;
  const error = checkType({ ...request, len }, flags);
  if (error !== 0) return error;
  const asked = vmFlagsOf(mm, request, prot);
  const vmFlags = file?.checkSealsMmap === undefined ? asked : file.checkSealsMmap(asked);
  if (vmFlags === null) return -EPERM;
  // Linux: include/linux/fs.h:mapping_map_writable()
  const mayWrite = (vmFlags & VM.shared) !== 0 && (vmFlags & VM.maywrite) !== 0;
  if (mayWrite && (file?.mapping?.writableDenials ?? 0) > 0) return -EPERM;
  return yield* mmapRegion(mm, request, {
    addr,
    len,
    vmFlags,
    pgoff: pgoffOf(request, addr),
    after,
  });
}

/** Linux: mm/mmap.c:round_hint_to_min() */
function roundHintToMin(hint: number): number {
  const aligned = alignDown(hint, PAGE_SIZE);
  return aligned !== 0 && aligned < MMAP_MIN_ADDR ? MMAP_MIN_ADDR : aligned;
}

/** Offsets are signed for files that have pages, and else are not. Linux: mm/mmap.c:file_mmap_ok() */
function fileMmapOk({ file, pgoff, len }: MmapRequest): boolean {
  return pgoff + len / PAGE_SIZE < (file?.mapping ? MAX_FILE_PAGES : 2 * MAX_FILE_PAGES);
}

/** What depends on MAP_SHARED or MAP_PRIVATE. Linux: part of mm/mmap.c:do_mmap() */
function checkType(request: MmapRequest, flags: number): number {
  const type = flags & MAP_TYPE;
  if (flags & MAP_ANONYMOUS) {
    if (type === MAP_SHARED) return flags & MAP_GROWSDOWN ? -EINVAL : 0;
    // Deviates: MAP_DROPPABLE is not known.
    return type === MAP_PRIVATE ? 0 : -EINVAL;
  }
  if (!fileMmapOk(request)) return -EOVERFLOW;
  const { read, write } = request.mode ?? { read: true, write: true };
  if (type !== MAP_SHARED && type !== MAP_SHARED_VALIDATE && type !== MAP_PRIVATE) return -EINVAL;
  if (type === MAP_SHARED_VALIDATE && flags & ~LEGACY_MAP_MASK) return -EOPNOTSUPP;
  if (type !== MAP_PRIVATE && request.prot & PROT_WRITE && !write) return -EACCES;
  if (!read) return -EACCES;
  return flags & MAP_GROWSDOWN ? -EINVAL : 0;
}

/** PROT_* bits are VM_* bits. Linux: part of mm/mmap.c:do_mmap() and __mmap_region() */
function vmFlagsOf(mm: Mm, { flags, mode, file }: MmapRequest, prot: number): number {
  let vmFlags = (prot & VM_ACCESS_FLAGS) | VM.mayread | VM.maywrite | VM.mayexec | mm.defFlags;
  if (flags & MAP_LOCKED) vmFlags |= VM.locked;
  if ((flags & MAP_TYPE) !== MAP_PRIVATE) {
    vmFlags |= VM.shared | VM.mayshare;
    if (mode?.write === false) vmFlags &= ~(VM.maywrite | VM.shared);
  }
  if (flags & MAP_GROWSDOWN) vmFlags |= VM.growsdown;
  if (flags & MAP_STACK) vmFlags |= VM.nohugepage;
  if (flags & MAP_NORESERVE) vmFlags |= VM.noreserve;
  if (flags & MAP_HUGETLB && file === null) return (vmFlags & ~VM_LOCKED_MASK) | VM.hugetlb | VM.dontexpand;
  const isAccounted = file?.mapping?.hugetlb == null && (vmFlags & (VM.noreserve | VM.shared | VM.write)) === VM.write;
  return isAccounted ? vmFlags | VM.account : vmFlags;
}

/** hugetlb memory is a file without a name, so its offset is that of the call. */
function pgoffOf({ flags, pgoff }: MmapRequest, addr: number): number {
  if (!(flags & MAP_ANONYMOUS) || flags & MAP_HUGETLB) return pgoff;
  return (flags & MAP_TYPE) === MAP_SHARED ? 0 : addr / PAGE_SIZE;
}

interface Region {
  readonly addr: number;
  readonly len: number;
  readonly vmFlags: number;
  readonly pgoff: number;
  readonly after: AfterUnlock;
}

/** Unmaps what was there and maps the new. mmap_lock is held for write. Linux: mm/mmap.c:__mmap_region() */
function* mmapRegion(mm: Mm, request: MmapRequest, region: Region): Coroutine<number> {
  mmapAssertWriteLocked(mm);
  const { addr, len, vmFlags, pgoff, after } = region;
  const end = addr + len;
  if (!mayExpandVm(mm, len / PAGE_SIZE, { start: addr, end })) return -ENOMEM;
  const npages = len / PAGE_SIZE - accountedPages(mm, addr, end);
  if (vmFlags & VM.account && !vmEnoughMemory(mm.memory, npages)) return -ENOMEM;
  const gathered = yield* vmsGatherMunmapVmas(mm, addr, end, after.events);
  if (typeof gathered === 'number') return gathered;
  yield* vmsCleanUpArea(gathered);
  vmsCompleteMunmapVmas(gathered, after);
  const at = mm.findVmaIndex(addr);
  const neighbours = { prev: mm.vmas[at - 1] ?? null, next: mm.vmas[at] ?? null };
  const range = { start: addr, end, flags: vmFlags, pgoff, file: request.file, ...NOTHING, ...neighbours };
  const merged = yield* vmaMergeNewRange(range);
  if (merged !== null) {
    // What is new is soft-dirty, and so is all that it became part of.
    merged.flags &= ~VM.notSoftDirty;
    return addr;
  }
  const vma = new Vma(mm, addr, end, vmFlags, pgoff);
  const error = yield* mapFile(vma, request);
  if (error !== 0) {
    const { prev, next } = neighbours;
    const [floor, ceiling] = [prev?.end ?? 0, next?.start ?? Infinity];
    // What a driver had already put into the page table goes.
    if (request.file !== null) yield* vmsCleanUpArea({ mm, start: addr, end, vmas: [vma], floor, ceiling });
    return error;
  }
  if (!vmaSupportsMlock(vma)) vma.flags &= ~VM_LOCKED_MASK;
  // A driver that changed the flags, as vm_insert_page() does, may have made the vma mergeable or unmergeable.
  const locks = yield* lockRmap(vma);
  insertVma(vma);
  vmaLinkFile(vma);
  unlockRmap(locks);
  khugepagedEnterVma(vma);
  return addr;
}

/** What is promised already. Linux: part of mm/vma.c:vms_gather_munmap_vmas() */
function accountedPages(mm: Mm, start: number, end: number): number {
  let sum = 0;
  for (let vma = findVmaIntersection(mm, start, end); vma !== null; vma = findVmaIntersection(mm, vma.end, end))
    if (vma.flags & VM.account) sum += (Math.min(end, vma.end) - Math.max(start, vma.start)) / PAGE_SIZE;
  return sum;
}

/** The file's or hugetlb's part of a new vma; on an error nothing is left of it. */
function* mapFile(vma: Vma, request: MmapRequest): Coroutine<number> {
  const { file } = request;
  assert(file !== null || !vma.isShared, 'shared memory needs a file');
  if (file === null) return vma.flags & VM.hugetlb ? hugetlbReservePages(vma, null) : 0;
  file.get();
  vma.file = file;
  const error = request.mmapFile === undefined ? 0 : yield* request.mmapFile(vma);
  if (error !== 0) {
    vma.file = null;
    yield* file.put();
  }
  return error;
}
