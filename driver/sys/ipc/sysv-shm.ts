import { EEXIST, EIDRM, EINVAL, ENOENT, ENOSPC } from '../../../uapi/errno.js';
import { O_RDONLY, O_RDWR } from '../../../uapi/fcntl.js';
import { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_PRIVATE,
  SHM_DEST,
  SHM_EXEC,
  SHM_HUGETLB,
  SHM_NORESERVE,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
  SHMID_DS_BYTES,
} from '../../../uapi/shm.js';
import { writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../../mm/frames/frames.js';
import { sizelogError } from '../../mm/huge/hstate-sizelog.js';
import { alignUp } from '../../mm/tables/page-align.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { vmMmapPgoff } from '../../mm/vmas/mmap.js';
import { AfterUnlock, doVmiMunmap } from '../../mm/vmas/munmap.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { HugetlbfsFile, HugetlbfsInode } from '../files/hugetlbfs-file.js';
import { TmpfsFile, TmpfsInode } from '../files/tmpfs-file.js';
import type { Machine } from '../machine/machine.js';
import type { Process } from '../processes/process.js';

/** Linux: include/uapi/linux/shm.h:SHMMAX, SHMMNI */
const SHM_MAX = 2 ** 64 - 2 ** 24;
const SHM_MNI = 4096;
/** Indexes are used in turn up to this many at least. Linux: ipc_min_cycle of ipc/util.c */
const MIN_CYCLE = 64;
/** An id is an index and above it how often the indexes were used up. Linux: IPCMNI_SHIFT */
const SEQUENCE_SHIFT = 15;
const MAX_SEQUENCE = 2 ** 16;
const RIGHTS = 0o777;

/** Its inode has one link until it is removed, and is open once for each attachment. Linux: struct shmid_kernel */
interface Segment {
  readonly id: number;
  key: number;
  mode: number;
  readonly sizeBytes: number;
  readonly inode: TmpfsInode;
  readonly creatorPid: number;
  lastPid: number;
}

/** What is asked of shmget(2). */
interface ShmgetRequest {
  readonly key: number;
  readonly sizeBytes: number;
  readonly flags: number;
}

/** The shared memory segments of a machine, whose programs all are root. */
export class SysvShm {
  /** By index. */
  private readonly segments = new Map<number, Segment>();
  private lastIndex = -1;
  private sequence = 0;

  constructor(private readonly machine: Machine) {
    machine.vfs.onReset(() => this.reset());
  }

  private reset(): void {
    this.segments.clear();
    this.lastIndex = -1;
    this.sequence = 0;
  }

  /** The id of the segment of a key, or of a new one; or a negative errno. Linux: ipc/shm.c:ksys_shmget() */
  *ksysShmget(process: Process, request: ShmgetRequest): Coroutine<number> {
    const { key, sizeBytes, flags } = request;
    this.forgetRemoved();
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
    if (sizeBytes < 1 || sizeBytes > SHM_MAX) return -EINVAL;
    const inode = yield* this.newInode(sizeBytes, flags);
    if (typeof inode === 'number') return inode;
    const id = this.segments.size < SHM_MNI ? this.ipcIdrAlloc() : -ENOSPC;
    if (id < 0) {
      yield* dropLink(inode);
      return id;
    }
    inode.owner = process.owner;
    const { pid } = process;
    const segment = { id, key, mode: flags & RIGHTS, sizeBytes, inode, creatorPid: pid, lastPid: 0 };
    this.segments.set(indexOf(id), segment);
    return id;
  }

  /** Huge pages are promised at once. */
  private *newInode(sizeBytes: number, flags: number): Coroutine<TmpfsInode | number> {
    const { memory } = this.machine;
    const isHuge = (flags & SHM_HUGETLB) !== 0;
    const noHuge = isHuge ? sizelogError(flags) : 0;
    if (noHuge !== 0) return noHuge;
    const inode = isHuge ? new HugetlbfsInode(memory) : new TmpfsInode(memory);
    const { mapping } = inode;
    inode.links = 1;
    mapping.size = isHuge ? alignUp(sizeBytes, HPAGE_PMD_SIZE) : sizeBytes;
    const isPromised = isHuge && !(flags & SHM_NORESERVE);
    const error = isPromised ? mapping.hugetlb!.reserve(0, mapping.size / HPAGE_PMD_SIZE) : 0;
    if (error === 0) return inode;
    yield* dropLink(inode);
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

  /** The segment of an id, -EINVAL or -EIDRM. Linux: ipc/util.c:ipc_obtain_object_check() */
  private ipcObtainObjectCheck(id: number): Segment | number {
    this.forgetRemoved();
    const segment = this.segments.get(indexOf(id));
    if (id < 0 || segment === undefined) return -EINVAL;
    return segment.id === id ? segment : -EIDRM;
  }

  /** Maps a segment; the address or a negative errno. Linux: ipc/shm.c:do_shmat() */
  *doShmat(
    { mm, pid }: Process,
    id: number,
    { addr: asked, flags }: { addr: number; flags: number },
  ): Coroutine<number> {
    if (asked % PAGE_SIZE !== 0 && !(flags & SHM_RND)) return -EINVAL;
    const addr = asked - (asked % PAGE_SIZE);
    if (addr === 0 && flags & SHM_REMAP) return -EINVAL;
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    const write = !(flags & SHM_RDONLY);
    const { inode, key } = segment;
    const File = inode instanceof HugetlbfsInode ? HugetlbfsFile : TmpfsFile;
    const file = new File(this.machine, write ? O_RDWR : O_RDONLY, inode);
    file.path = `/SYSV${(key >>> 0).toString(16).padStart(8, '0')} (deleted)`;
    const fixed = addr === 0 ? 0 : flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    const result = yield* vmMmapPgoff(mm, {
      ...{ addr, len: inode.mapping.size, flags: MAP_SHARED | fixed, pgoff: 0, file },
      prot: PROT_READ | (write ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0),
      mode: { read: true, write },
      mmapFile: (vma) => file.mmap(vma),
    });
    yield* file.put();
    if (result >= 0) segment.lastPid = pid;
    return result === -EEXIST ? -EINVAL : result;
  }

  /** Unmaps what is left of the segment that was mapped at `addr`. 0 or -EINVAL. Linux: ipc/shm.c:ksys_shmdt() */
  *ksysShmdt({ mm, pid }: Process, addr: number): Coroutine<number> {
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    const after = new AfterUnlock();
    yield* mm.mmapLock.writeLock();
    let first: Vma | null = null;
    for (const vma of [...mm.vmas]) {
      if (vma.end <= addr) continue;
      if (first !== null && vma.end - addr > alignUp(first.file!.mapping!.size, PAGE_SIZE)) break;
      const segment = this.segmentOf(vma);
      if (segment === undefined || (vma.start - addr) / PAGE_SIZE !== vma.pgoff) continue;
      if (first !== null && first.file !== vma.file) continue;
      first ??= vma;
      segment.lastPid = pid;
      yield* doVmiMunmap(mm, { addr: vma.start, len: vma.end - vma.start, after });
    }
    mm.mmapLock.writeUnlock();
    yield* after.run();
    return first === null ? -EINVAL : 0;
  }

  private segmentOf({ file }: Vma): Segment | undefined {
    if (file?.mapping == null) return undefined;
    return [...this.segments.values()].find(({ inode }) => inode.mapping === file.mapping);
  }

  /** Nobody finds it by its key any more, and it goes with its last attachment. Linux: ipc/shm.c:do_shm_rmid() */
  *doShmRmid(id: number): Coroutine<number> {
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    yield* this.removeSegment(segment);
    return 0;
  }

  private *removeSegment(segment: Segment): Coroutine<void> {
    segment.key = IPC_PRIVATE;
    segment.mode |= SHM_DEST;
    if (segment.inode.links > 0) yield* dropLink(segment.inode);
  }

  /** Its rights; they keep nobody from anything. Linux: IPC_SET */
  setMode(id: number, mode: number): number {
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    segment.mode = (segment.mode & ~RIGHTS) | (mode & RIGHTS);
    return 0;
  }

  /** struct shmid64_ds. Deviates: the times are 0. Linux: ipc/shm.c:shmctl_stat() */
  shmctlStat(id: number): Uint8Array | number {
    const segment = this.ipcObtainObjectCheck(id);
    if (typeof segment === 'number') return segment;
    const view = new DataView(new ArrayBuffer(SHMID_DS_BYTES));
    view.setInt32(0, segment.key, true);
    view.setUint32(20, segment.mode, true);
    view.setUint16(24, Math.floor(segment.id / 2 ** SEQUENCE_SHIFT), true);
    writeU64(view, 48, segment.sizeBytes);
    view.setInt32(80, segment.creatorPid, true);
    view.setInt32(84, segment.lastPid, true);
    writeU64(view, 88, this.attachments(segment));
    return new Uint8Array(view.buffer);
  }

  private attachments({ inode }: Segment): number {
    const countOf = ({ vmas }: Mm): number => vmas.filter(({ file }) => file?.mapping === inode.mapping).length;
    return [...this.machine.memory.mms].reduce((sum, mm) => sum + countOf(mm), 0);
  }

  /** Those that were removed are gone once nobody has them mapped. */
  private forgetRemoved(): void {
    for (const [index, { inode }] of this.segments)
      if (inode.links === 0 && inode.opens === 0) this.segments.delete(index);
  }

  hasOf(owner: number): boolean {
    this.forgetRemoved();
    return [...this.segments.values()].some(({ inode }) => inode.owner === owner && inode.links > 0);
  }

  /** The owner is gone: so are the segments that its processes made. */
  *removeOf(owner: number): Coroutine<void> {
    for (const segment of [...this.segments.values()])
      if (segment.inode.owner === owner) yield* this.removeSegment(segment);
  }
}

function indexOf(id: number): number {
  return id % 2 ** SEQUENCE_SHIFT;
}

function* dropLink(inode: TmpfsInode): Coroutine<void> {
  inode.links--;
  yield* inode.evictIfUnused();
}
