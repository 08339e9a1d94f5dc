import { EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC } from '../../../uapi/errno.js';
import { O_RDONLY, O_RDWR } from '../../../uapi/fcntl.js';
import { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_PRIVATE,
  SHM_DEST,
  SHM_EXEC,
  SHM_HUGETLB,
  SHM_LOCKED,
  SHM_NORESERVE,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
} from '../../../uapi/shm.js';
import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../../mm/frames/frames.js';
import { sizelogError } from '../../mm/huge/hstate-sizelog.js';
import { alignUp, TWO_64 } from '../../mm/tables/page-align.js';
import { type Mm, vmEnoughMemory } from '../../mm/vmas/mm.js';
import { vmMmapPgoff } from '../../mm/vmas/mmap.js';
import { AfterUnlock, doVmiMunmap } from '../../mm/vmas/munmap.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { HugetlbfsFile, HugetlbfsInode } from '../files/hugetlbfs-file.js';
import type { OpenFile } from '../files/open-file.js';
import { TmpfsFile, TmpfsInode } from '../files/tmpfs-file.js';
import type { Machine } from '../machine/machine.js';
import { MAX_FILE_BYTES } from '../processes/machine-limits.js';
import type { Process } from '../processes/process.js';
import { words64 } from '../processes/user-memory.js';
import { ShmLimits } from './shm-limits.js';
import { SEQUENCE_SHIFT, ShmidKernel } from './shmid-kernel.js';

/** Indexes are used in turn up to this many at least. Linux: ipc_min_cycle of ipc/util.c */
const MIN_CYCLE = 64;
const MAX_SEQUENCE = 2 ** 16;
const RIGHTS = 0o777;
/** An id that nobody has. Linux: include/linux/uidgid.h:uid_valid() */
const NO_UID = 0xffffffff;

/** What is asked of shmget(2). */
interface ShmgetRequest {
  readonly key: number;
  readonly sizeBytes: number;
  readonly flags: number;
}

/** The shared memory segments of a machine, whose programs all are root. */
export class SysvShm {
  /** By index. */
  private readonly segments = new Map<number, ShmidKernel>();
  readonly limits = new ShmLimits();
  private lastIndex = -1;
  private sequence = 0;

  constructor(private readonly machine: Machine) {
    machine.vfs.onReset(() => this.reset());
  }

  private reset(): void {
    this.segments.clear();
    Object.assign(this.limits, new ShmLimits());
    this.lastIndex = -1;
    this.sequence = 0;
  }

  /** The id of the segment of a key, or of a new one; or a negative errno. Linux: ipc/shm.c:ksys_shmget() */
  *ksysShmget(process: Process, request: ShmgetRequest): Coroutine<number> {
    const { key, sizeBytes, flags } = request;
    const found = key === IPC_PRIVATE ? undefined : [...this.segments.values()].find((one) => one.key === key);
    if (found === undefined) {
      if (key !== IPC_PRIVATE && !(flags & IPC_CREAT)) return -ENOENT;
      return yield* this.newseg(process, request);
    }
    if ((flags & (IPC_CREAT | IPC_EXCL)) === (IPC_CREAT | IPC_EXCL)) return -EEXIST;
    return found.sizeBytes < sizeBytes ? -EINVAL : found.id;
  }

  /** Linux: ipc/shm.c:newseg() */
  private *newseg(process: Process, { key, sizeBytes, flags }: ShmgetRequest): Coroutine<number> {
    const { ctlmax, ctlall, ctlmni } = this.limits;
    if (sizeBytes < 1 || sizeBytes > Number(ctlmax)) return -EINVAL;
    const npages = Math.ceil(sizeBytes / PAGE_SIZE);
    if (npages * PAGE_SIZE >= TWO_64 || this.shmTot + npages > Number(ctlall)) return -ENOSPC;
    const inode = yield* this.newInode(sizeBytes, flags);
    if (typeof inode === 'number') return inode;
    const id = this.segments.size < ctlmni ? this.ipcIdrAlloc() : -ENOSPC;
    const segment = new ShmidKernel({ id, key, mode: flags & RIGHTS, sizeBytes, inode }, this.segments);
    if (id < 0) {
      yield* segment.dropLink();
      return id;
    }
    inode.owner = process.owner;
    this.segments.set(segment.index, segment);
    return id;
  }

  /** Memory is promised, huge pages each. */
  private *newInode(sizeBytes: number, flags: number): Coroutine<TmpfsInode | number> {
    const { memory } = this.machine;
    const isHuge = (flags & SHM_HUGETLB) !== 0;
    const noHuge = isHuge ? sizelogError(flags) : 0;
    if (noHuge !== 0) return noHuge;
    if (!isHuge && sizeBytes >= MAX_FILE_BYTES) return -EINVAL;
    const isPromised = !(flags & SHM_NORESERVE);
    if (!isHuge && isPromised && !vmEnoughMemory(memory, Math.ceil(sizeBytes / PAGE_SIZE))) return -ENOMEM;
    const inode = isHuge ? new HugetlbfsInode(memory) : new TmpfsInode(memory);
    const { mapping } = inode;
    inode.links = 1;
    mapping.size = isHuge ? alignUp(sizeBytes, HPAGE_PMD_SIZE) : sizeBytes;
    const error = isHuge && isPromised ? mapping.hugetlb!.reserve(0, mapping.size / HPAGE_PMD_SIZE) : 0;
    if (error === 0) return inode;
    inode.links = 0;
    yield* inode.evictIfUnused();
    return error;
  }

  /** Linux: ipc/util.c:ipc_idr_alloc() */
  private ipcIdrAlloc(): number {
    const max = Math.min(Math.max(Math.floor(((this.segments.size + 1) * 3) / 2), MIN_CYCLE), 2 ** SEQUENCE_SHIFT);
    let index = this.lastIndex + 1;
    while (index < max && this.segments.has(index)) index++;
    if (index >= max) for (index = 0; this.segments.has(index); ) index++;
    if (index <= this.lastIndex) this.sequence = (this.sequence + 1) % MAX_SEQUENCE;
    this.lastIndex = index;
    return this.sequence * 2 ** SEQUENCE_SHIFT + index;
  }

  /** The segment of an index, whose id may be another one, or -EINVAL. Linux: ipc/util.c:ipc_obtain_object_idr() */
  private ipcObtainObjectIdr(id: number): ShmidKernel | number {
    return this.segments.get(id % 2 ** SEQUENCE_SHIFT) ?? -EINVAL;
  }

  /** The segment of an id, or -EINVAL. Linux: ipc/util.c:ipc_obtain_object_check() */
  private ipcObtainObjectCheck(id: number): ShmidKernel | number {
    const segment = this.ipcObtainObjectIdr(id);
    return typeof segment === 'number' || segment.id === id ? segment : -EINVAL;
  }

  /** Maps a segment; the address or a negative errno. Linux: ipc/shm.c:do_shmat() */
  *doShmat({ mm }: Process, id: number, { addr: asked, flags }: { addr: number; flags: number }): Coroutine<number> {
    if (asked % PAGE_SIZE !== 0 && !(flags & SHM_RND)) return -EINVAL;
    const addr = asked - (asked % PAGE_SIZE);
    if (addr === 0 && flags & SHM_REMAP) return -EINVAL;
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    segment.attachments++;
    const result = yield* this.mapSegment(mm, segment, { addr, flags, isFixed: asked !== 0 });
    segment.putAttachment();
    return result;
  }

  private *mapSegment(
    mm: Mm,
    segment: ShmidKernel,
    { addr, flags, isFixed }: { addr: number; flags: number; isFixed: boolean },
  ): Coroutine<number> {
    const { inode } = segment;
    const len = inode.mapping.size;
    // What is rounded down to 0 replaces what is there.
    const replaces = addr === 0 || (flags & SHM_REMAP) !== 0;
    if (!replaces && addr + len >= TWO_64) return -EINVAL;
    const write = !(flags & SHM_RDONLY);
    const file = new (segment.isHuge ? HugetlbfsFile : TmpfsFile)(this.machine, write ? O_RDWR : O_RDONLY, inode);
    file.path = segment.path;
    const result = yield* vmMmapPgoff(mm, {
      ...{ addr, len, pgoff: 0, file },
      flags: MAP_SHARED | (isFixed ? (replaces ? MAP_FIXED : MAP_FIXED_NOREPLACE) : 0),
      prot: PROT_READ | (write ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0),
      mode: { read: true, write },
      mmapFile: (vma) => shmMmap(segment, file, vma),
    });
    yield* file.put();
    return result === -EEXIST ? -EINVAL : result;
  }

  /** Unmaps what is left of the segment that was mapped at `addr`. 0 or -EINVAL. Linux: ipc/shm.c:ksys_shmdt() */
  *ksysShmdt({ mm }: Process, addr: number): Coroutine<number> {
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    const after = new AfterUnlock();
    yield* mm.mmapLock.writeLock();
    let first: Vma | null = null;
    for (const vma of [...mm.vmas]) {
      if (vma.end <= addr) continue;
      if (first !== null && vma.end - addr > alignUp(first.file!.mapping!.size, PAGE_SIZE)) break;
      if (!(vma.ops instanceof ShmidKernel) || (vma.start - addr) / PAGE_SIZE !== vma.pgoff) continue;
      if (first !== null && first.file !== vma.file) continue;
      first ??= vma;
      yield* doVmiMunmap(mm, { addr: vma.start, len: vma.end - vma.start, after });
    }
    mm.mmapLock.writeUnlock();
    yield* after.run();
    return first === null ? -EINVAL : 0;
  }

  /** IPC_RMID. */
  *rmid(id: number): Coroutine<number> {
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    yield* this.doShmRmid(segment);
    return 0;
  }

  /** Nobody finds it by its key any more, and it goes with its last attachment. Linux: ipc/shm.c:do_shm_rmid() */
  private *doShmRmid(segment: ShmidKernel): Coroutine<void> {
    segment.key = IPC_PRIVATE;
    segment.mode |= SHM_DEST;
    if (segment.attachments === 0) this.segments.delete(segment.index);
    yield* segment.dropLink();
  }

  /** Its owner and rights; they keep nobody from anything. Linux: ipc/util.c:ipc_update_perm() */
  ipcUpdatePerm(id: number, { uid, gid, mode }: { uid: number; gid: number; mode: number }): number {
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    if (uid === NO_UID || gid === NO_UID) return -EINVAL;
    segment.uid = uid;
    segment.gid = gid;
    segment.mode = (segment.mode & ~RIGHTS) | (mode & RIGHTS);
    segment.changeTime = segment.now();
    return 0;
  }

  /** The segment of an id or, with `byIndex`, of an index; or a negative errno. Linux: ipc/shm.c:shmctl_stat() */
  shmctlStat(id: number, { byIndex }: { byIndex: boolean }): ShmidKernel | number {
    return byIndex ? this.ipcObtainObjectIdr(id) : this.ipcObtainObjectCheck(id);
  }

  /** Keeps the pages from swap, or does so no longer; of hugetlb they always stay. Linux: ipc/shm.c:shmctl_do_lock(), mm/shmem.c:shmem_lock() */
  shmctlDoLock(id: number, isLocked: boolean): number {
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    if (segment.isHuge) return 0;
    segment.inode.mapping.isUnevictable = isLocked;
    segment.mode = isLocked ? segment.mode | SHM_LOCKED : segment.mode & ~SHM_LOCKED;
    return 0;
  }

  /** The highest index in use, 0 where none is. Linux: ipc/util.h:ipc_get_maxidx() */
  ipcGetMaxidx(): number {
    return Math.max(0, ...this.segments.keys());
  }

  /** By index. */
  get inOrder(): ShmidKernel[] {
    return [...this.segments.values()].sort((a, b) => a.index - b.index);
  }

  /** Pages of all. Linux: ipc_namespace.shm_tot */
  private get shmTot(): number {
    return [...this.segments.values()].reduce((sum, { npages }) => sum + npages, 0);
  }

  /** struct shm_info: what is in use. Linux: ipc/shm.c:shmctl_shm_info() */
  shmctlShmInfo(): Uint8Array {
    let [rss, swp] = [0, 0];
    for (const segment of this.segments.values()) {
      const { rss: resident, swap } = segment.shmAddRssSwap();
      rss += resident;
      swp += swap;
    }
    return words64(this.segments.size, this.shmTot, rss, swp, 0, 0);
  }

  hasOf(owner: number): boolean {
    return [...this.segments.values()].some(({ inode }) => inode.owner === owner && inode.links > 0);
  }

  /** The owner is gone: so are the segments that its processes made. */
  *removeOf(owner: number): Coroutine<void> {
    for (const segment of [...this.segments.values()])
      if (segment.inode.owner === owner) yield* this.doShmRmid(segment);
  }
}

/** -EINVAL: it went with its last attachment, which this one replaces. Linux: ipc/shm.c:shm_mmap() */
export function* shmMmap(segment: ShmidKernel, file: OpenFile, vma: Vma): Coroutine<number> {
  if (!segment.isThere) return -EINVAL;
  const error = yield* file.mmap(vma);
  if (error !== 0) return error;
  vma.ops = segment;
  segment.open();
  return 0;
}
