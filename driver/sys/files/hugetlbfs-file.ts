import { EBADF, EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM } from '../../../uapi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_TRUNC } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import {
  hugetlbfsAllocate,
  hugetlbfsEvictInode,
  hugetlbfsFileMmap,
  hugetlbfsPunchHole,
  hugetlbfsReadIter,
  hugetlbVmtruncate,
  newHugetlbfsMapping,
} from '../../mm/files/hugetlbfs.js';
import { HPAGE_PMD_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import type { Vma } from '../../mm/vmas/vma.js';
import type { Thread } from '../processes/thread.js';
import { defaultLlseek, type Seek } from './llseek.js';
import { BLOCK_BYTES, type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from './open-file.js';
import { F_SEAL, sealsForbidSize } from './seals.js';
import { TmpfsFile, TmpfsInode } from './tmpfs-file.js';

/** A hugetlbfs file without a name. */
export class HugetlbfsInode extends TmpfsInode {
  constructor(memory: Memory) {
    super(memory, newHugetlbfsMapping(memory));
  }

  protected override *evict(): Coroutine<void> {
    yield* hugetlbfsEvictInode(this.memory, this.mapping);
  }
}

/** It is mapped, and can be read, but not written. Linux: fs/hugetlbfs/inode.c */
export class HugetlbfsFile extends TmpfsFile {
  protected override anew(releases: ReleaseQueue, flags: number): HugetlbfsFile {
    return new HugetlbfsFile(releases, flags, this.inode);
  }

  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    if (!this.isReadable) return -EBADF;
    return yield* hugetlbfsReadIter(this.inode.memory, this.mapping, { offset, lenBytes });
  }

  override llseek(seek: Seek): number {
    return defaultLlseek(this, seek);
  }

  override *writeIter(): Coroutine<number> {
    return this.isWritable ? -EINVAL : -EBADF;
  }

  override *mmap(vma: Vma): Coroutine<number> {
    return hugetlbfsFileMmap(vma, this.mapping);
  }

  override stat(): FileStat {
    const blocks = (this.mapping.pages.count * HPAGE_PMD_SIZE) / BLOCK_BYTES;
    return { ...super.stat(), blockSize: HPAGE_PMD_SIZE, blocks };
  }

  /** F_SEAL_EXEC means nothing here. Linux: part of fs/hugetlbfs/inode.c:hugetlbfs_setattr() */
  override chmod(mode: number): number {
    this.inode.mode = mode & 0o7777;
    return 0;
  }

  protected override *doTruncate(sizeBytes: number): Coroutine<number> {
    if (sizeBytes % HPAGE_PMD_SIZE !== 0) return -EINVAL;
    if (sealsForbidSize(this.inode, sizeBytes)) return -EPERM;
    yield* hugetlbVmtruncate(this.inode.memory, this.mapping, sizeBytes);
    return 0;
  }

  override *fallocate({ mode, offset, len }: { mode: number; offset: number; len: number }): Coroutine<number> {
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return -EOPNOTSUPP;
    const { memory, seals } = this.inode;
    if (mode & FALLOC_FL_PUNCH_HOLE) {
      if (seals & (F_SEAL.write | F_SEAL.futureWrite)) return -EPERM;
      yield* hugetlbfsPunchHole(memory, this.mapping, offset, len);
      return 0;
    }
    if (seals & F_SEAL.grow && offset + len > this.mapping.size) return -EPERM;
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    return yield* hugetlbfsAllocate(memory, this.mapping, { offset, len, keepsSize });
  }
}

const PUD_BYTES = 2 ** 30;

/** A hugetlbfs file of 1 GiB pages, of which there are none: no memory has as much in one piece. */
export class GiganticFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly inode = { size: 0 },
  ) {
    super(releases, flags);
  }

  override *reopen({ process }: Thread, flags: number): Coroutine<OpenFile | number> {
    if (flags & O_TRUNC) this.inode.size = 0;
    return new GiganticFile(process.machine, flags, this.inode);
  }

  override stat(): FileStat {
    return { mode: S_IFREG | 0o600, size: this.inode.size, ino: 1, rdev: 0, blockSize: PUD_BYTES };
  }

  override llseek(seek: Seek): number {
    return defaultLlseek(this, seek);
  }

  override get hasFsync(): boolean {
    return true;
  }

  override get isMappable(): boolean {
    return true;
  }

  override *mmap(): Coroutine<number> {
    return -ENOMEM;
  }

  override *ftruncate(sizeBytes: number): Coroutine<number> {
    if (sizeBytes % PUD_BYTES !== 0) return -EINVAL;
    this.inode.size = sizeBytes;
    return 0;
  }

  override *fallocate({ mode }: { mode: number }): Coroutine<number> {
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) return -EOPNOTSUPP;
    return mode & FALLOC_FL_PUNCH_HOLE ? 0 : -ENOSPC;
  }
}
