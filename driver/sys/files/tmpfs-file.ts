import { EBADF, EFBIG, EINVAL, ENXIO, EPERM } from '../../../uapi/errno.js';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_APPEND,
  O_TRUNC,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import type { IovIter } from '../../mm/faults/iov-iter.js';
import type { AddressSpace } from '../../mm/files/address-space.js';
import { mappingSeekHoleData } from '../../mm/files/seek-hole-data.js';
import {
  newShmemMapping,
  shmemAllocate,
  shmemEvictInode,
  shmemFileReadIter,
  shmemFileWriteIter,
  shmemPunchHole,
  shmemTruncate,
} from '../../mm/files/shmem.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import { MAX_FILE_BYTES } from '../processes/machine-limits.js';
import type { Thread } from '../processes/thread.js';
import { type Seek, vfsSetpos } from './llseek.js';
import { BLOCK_BYTES, type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from './open-file.js';
import { EXEC_BITS, F_SEAL, memfdCheckSealsMmap, type Sealed, sealsForbidSize, sealsForbidWrite } from './seals.js';

/** Behind the path of a file without a name. */
const DELETED = ' (deleted)';

/** A tmpfs file with or without a name; it dies with its last name, open file and mapping. Linux: struct inode */
export class TmpfsInode implements Sealed {
  /** What may not be done; a memfd may begin without any. */
  seals: number = F_SEAL.seal;
  /** Permission bits, which keep nobody from anything. */
  mode = 0o600;
  links = 0;
  opens = 0;
  /** Whose processes gave it its name. */
  owner = 0;

  constructor(
    readonly memory: Memory,
    readonly mapping: AddressSpace = newShmemMapping(memory, 0),
  ) {}

  /** Call after `links` or `opens` went down. Linux: part of fs/inode.c:iput_final() */
  *evictIfUnused(): Coroutine<void> {
    if (this.links === 0 && this.opens === 0) yield* this.evict();
  }

  protected *evict(): Coroutine<void> {
    yield* shmemEvictInode(this.memory, this.mapping);
  }
}

export class TmpfsFile extends OpenFile {
  override readonly mapping: AddressSpace;

  constructor(
    releases: ReleaseQueue,
    flags: number,
    readonly inode: TmpfsInode,
  ) {
    super(releases, flags);
    this.mapping = inode.mapping;
    inode.opens++;
  }

  override get hasFsync(): boolean {
    return true;
  }

  override *release(): Coroutine<void> {
    this.inode.opens--;
    yield* this.inode.evictIfUnused();
  }

  /** It has lost its last name. */
  override get dPath(): string {
    return this.inode.links > 0 || this.path.endsWith(DELETED) ? this.path : this.path + DELETED;
  }

  override *reopen({ process }: Thread, flags: number): Coroutine<OpenFile | number> {
    return yield* this.anew(process.machine, flags).handleTruncate();
  }

  protected anew(releases: ReleaseQueue, flags: number): TmpfsFile {
    return new TmpfsFile(releases, flags, this.inode);
  }

  /** Itself, empty if it is opened with O_TRUNC, or why it can't be. Linux: fs/namei.c:handle_truncate() */
  *handleTruncate(): Coroutine<OpenFile | number> {
    const error = this.flags & O_TRUNC ? yield* this.doTruncate(0) : 0;
    if (error === 0) return this;
    yield* this.put();
    return error;
  }

  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    if (!this.isReadable) return -EBADF;
    return yield* shmemFileReadIter(this.inode.memory, this.mapping, { offset, lenBytes });
  }

  /** Linux: part of mm/shmem.c:shmem_file_write_iter() and fs/read_write.c:generic_write_checks() */
  override *writeIter(_thread: Thread, from: IovIter, offset: number | null): Coroutine<number> {
    if (!this.isWritable) return -EBADF;
    if (from.count === 0) return 0;
    const start = this.flags & O_APPEND ? this.mapping.size : (offset ?? this.position);
    if (start >= MAX_FILE_BYTES) return -EFBIG;
    const done = yield* shmemFileWriteIter(this.inode.memory, this.mapping, from, {
      offset: start,
      lenBytes: Math.min(from.count, MAX_FILE_BYTES - start),
      refusal: (end) => (sealsForbidWrite(this.inode, end) ? -EPERM : 0),
    });
    if (offset === null && done > 0) this.position = start + done;
    return done;
  }

  /** Linux: part of mm/shmem.c:shmem_file_llseek() */
  override llseek(seek: Seek): number {
    const { offset, whence } = seek;
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return super.llseek(seek);
    if (offset < 0) return -ENXIO;
    const found = mappingSeekHoleData(this.inode.memory, this.mapping, offset, { data: whence === SEEK_DATA });
    return found < 0 ? found : vfsSetpos(this, found);
  }

  checkSealsMmap(vmFlags: number): number | null {
    return memfdCheckSealsMmap(this.inode, vmFlags);
  }

  override stat(): FileStat {
    const { size, id, pages, charged } = this.mapping;
    const blocks = ((pages.count + charged) * PAGE_SIZE) / BLOCK_BYTES;
    return { mode: S_IFREG | this.inode.mode, size, ino: 1000 + id, rdev: 0, blocks };
  }

  /** fchmod(2); 0 or -EPERM. Linux: part of mm/shmem.c:shmem_setattr() */
  chmod(mode: number): number {
    if (this.inode.seals & F_SEAL.exec && (this.inode.mode ^ mode) & EXEC_BITS) return -EPERM;
    this.inode.mode = mode & 0o7777;
    return 0;
  }

  override *ftruncate(sizeBytes: number): Coroutine<number> {
    return this.isWritable ? yield* this.doTruncate(sizeBytes) : -EINVAL;
  }

  /** Linux: part of fs/open.c:do_truncate(), mm/shmem.c:shmem_setattr() */
  protected *doTruncate(sizeBytes: number): Coroutine<number> {
    if (sealsForbidSize(this.inode, sizeBytes)) return -EPERM;
    yield* shmemTruncate(this.inode.memory, this.mapping, sizeBytes);
    return 0;
  }

  override *fallocate({ mode, offset, len }: { mode: number; offset: number; len: number }): Coroutine<number> {
    const { memory, seals } = this.inode;
    if (mode & FALLOC_FL_PUNCH_HOLE) {
      if (seals & (F_SEAL.write | F_SEAL.futureWrite)) return -EPERM;
      yield* shmemPunchHole(memory, this.mapping, offset, len);
      return 0;
    }
    if (seals & F_SEAL.grow && offset + len > this.mapping.size) return -EPERM;
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    return yield* shmemAllocate(memory, this.mapping, { offset, len, keepsSize });
  }
}
