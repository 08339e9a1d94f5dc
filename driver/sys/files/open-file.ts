import { EFAULT, EINVAL, ENODEV, ENOTTY, ENXIO, ESPIPE } from '../../../uapi/errno.js';
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../../../uapi/fcntl.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import type { Kernel } from '../../core/kernel.js';
import { Access, lastDrop, Shared } from '../../core/observer.js';
import type { IovIter } from '../../mm/faults/iov-iter.js';
import type { AddressSpace } from '../../mm/files/address-space.js';
import type { MappedFile, Vma } from '../../mm/vmas/vma.js';
import type { Thread } from '../processes/thread.js';
import { genericFileLlseekSize, type Seek } from './llseek.js';

/** What an ioctl works on: the number, its argument and the numbering it is written in. */
export interface IoctlRequest {
  readonly cmd: number;
  readonly arg: number;
  /** The numbering of this one call; undefined is the open file's own. */
  readonly dialect: string | undefined;
}

/** What stat(2) tells of a file. */
export interface FileStat {
  /** Type and permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly ino: number;
  /** Major and minor of a device file. */
  readonly rdev: number;
  /** Bytes that are best read at once; one page when left out. */
  readonly blockSize?: number;
  /** Blocks of 512 bytes that it takes; as many as its length asks for when left out. Linux: i_blocks */
  readonly blocks?: number;
}

/** Of what has no inode of its own, which is no file of any type. Linux: fs/libfs.c:alloc_anon_inode() */
export const ANON_INODE: FileStat = { mode: 0o600, size: 0, ino: 1, rdev: 0 };

/** What `blocks` counts. */
export const BLOCK_BYTES = 512;

/** Most bytes that are held outside of the machine's memory at a time. */
const CHUNK_BYTES = 2 ** 20;

export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/** What poll(2) reports. */
export const POLL = { in: 1, out: 4, err: 8, hup: 16, nval: 32 } as const;

/** Where files of which the last reference is gone wait until the running call ends. Linux: delayed_fput, task_work */
export interface ReleaseQueue {
  readonly kernel: Kernel;
  fput(file: OpenFile): void;
}

/**
 * An open file description: shared by the descriptors that dup or fork made of one open, and by the VMAs that map it.
 * The last put releases it at the end of the running system call, with no lock held. Linux: struct file
 */
export abstract class OpenFile implements MappedFile {
  private references = 1;
  private readonly objectId: number;
  readonly mapping: AddressSpace | null = null;
  /** Where the next read or write begins; every descriptor of this open moves it. */
  position = 0;
  /** How it was opened; '' when it has no name. */
  path = '';

  constructor(
    private readonly releases: ReleaseQueue,
    /** open(2) flags; fcntl(2) changes some. */
    public flags: number,
  ) {
    this.objectId = releases.kernel.scheduler.newObjectId();
  }

  get isReadable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY;
  }

  get isWritable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY;
  }

  get(): void {
    assert(this.references > 0, 'a released file is used');
    this.touchReferences(Access.add);
    this.references++;
  }

  private touchReferences(how: number): void {
    this.releases.kernel.observer?.touch(Shared.files, this.objectId, how, 1);
  }

  *put(): Coroutine<void> {
    this.touchReferences(Access.drop);
    this.touchReferences(lastDrop(--this.references));
    assert(this.references >= 0, 'a file is put once too often');
    if (this.references === 0) this.releases.fput(this);
  }

  /** As /proc shows it. Linux: fs/d_path.c:d_path() */
  get dPath(): string {
    return this.path;
  }

  /**
   * open(2) of a link to it in /proc: a new open file of the same inode, or a negative errno. -ENXIO: nothing can open such an inode.
   * Deviates: a file of /proc/self is then that of who opens it. Linux: part of fs/open.c:do_dentry_open(), fs/inode.c:no_open()
   */
  *reopen(thread: Thread, flags: number): Coroutine<OpenFile | number> {
    return this.path.startsWith('/') ? yield* thread.process.machine.vfs.open(thread, this.path, flags) : -ENXIO;
  }

  /** What the last close does. */
  *release(): Coroutine<void> {}

  /** Bytes at `offset`, or a negative errno; of what has a position. */
  *pread(_thread: Thread, _lenBytes: number, _offset: number): Coroutine<Uint8Array | number> {
    return -EINVAL;
  }

  /** Number of bytes done, or a negative errno; of what has a position. */
  *pwrite(_thread: Thread, _bytes: Uint8Array, _offset: number): Coroutine<number> {
    return -EINVAL;
  }

  /** The next bytes, or a negative errno; of what has no position. */
  *read(_thread: Thread, _lenBytes: number): Coroutine<Uint8Array | number> {
    return -EINVAL;
  }

  /** Number of bytes done, or a negative errno; of what has no position. */
  *write(_thread: Thread, _bytes: Uint8Array): Coroutine<number> {
    return -EINVAL;
  }

  /** What was copied before a fault counts for nothing. */
  protected get copiesAllOrNothing(): boolean {
    return false;
  }

  /**
   * read(2) and pread(2): bytes that arrived, or a negative errno when none did. Without `offset` they are those at the position, which
   * goes on by them. Linux: f_op->read_iter
   */
  *readIter(thread: Thread, to: IovIter, offset: number | null): Coroutine<number> {
    const start = offset ?? this.position;
    let done = 0;
    for (;;) {
      const wanted = Math.min(CHUNK_BYTES, to.count);
      const got = this.isSeekable ? yield* this.pread(thread, wanted, start + done) : yield* this.read(thread, wanted);
      if (typeof got === 'number') return done || got;
      const copied = yield* to.copyTo(got);
      if (copied < got.length && (done + copied === 0 || this.copiesAllOrNothing || !this.isSeekable)) return -EFAULT;
      done += copied;
      if (offset === null) this.position = start + done;
      if (to.count === 0 || copied < wanted || !this.isSeekable) return done;
    }
  }

  /** write(2) and pwrite(2) in the same way. Linux: f_op->write_iter */
  *writeIter(thread: Thread, from: IovIter, offset: number | null): Coroutine<number> {
    const start = offset ?? this.position;
    for (let done = 0; ; ) {
      const bytes = new Uint8Array(Math.min(CHUNK_BYTES, from.count));
      if ((yield* from.copyFrom(bytes)) < bytes.length) return done || -EFAULT;
      const put = this.isSeekable ? yield* this.pwrite(thread, bytes, start + done) : yield* this.write(thread, bytes);
      if (put < 0) return done || put;
      done += put;
      if (offset === null) this.position = start + done;
      if (from.count === 0 || put < bytes.length) return done;
    }
  }

  /** Has a position: pread(2) and pwrite(2) work, and lseek(2) if it does not say otherwise. */
  get isSeekable(): boolean {
    return true;
  }

  /** The new position, or a negative errno. Linux: part of fs/read_write.c:vfs_llseek() */
  llseek(seek: Seek): number {
    return this.isSeekable ? genericFileLlseekSize(this, seek) : -ESPIPE;
  }

  /** What could be done now without waiting, as POLL bits. */
  poll(): number {
    return POLL.in | POLL.out;
  }

  stat(): FileStat {
    return { mode: S_IFCHR | 0o666, size: 0, ino: 1, rdev: 0 };
  }

  /** fsync(2) and fdatasync(2) of it are 0, as nothing is to be written back; -EINVAL otherwise. Linux: f_op->fsync, as part of fs/libfs.c:noop_fsync() */
  get hasFsync(): boolean {
    return false;
  }

  *ftruncate(_sizeBytes: number): Coroutine<number> {
    return -EINVAL;
  }

  /** Makes room for [offset, offset + len), or a hole there. 0 or a negative errno. Linux: part of fs/open.c:vfs_fallocate() */
  *fallocate(_range: { mode: number; offset: number; len: number }): Coroutine<number> {
    return this.isSeekable ? -ENODEV : -ESPIPE;
  }

  *ioctl(_thread: Thread, _request: IoctlRequest): Coroutine<number> {
    return -ENOTTY;
  }

  /** Can be mapped at all; -ENODEV otherwise. */
  get isMappable(): boolean {
    return this.mapping !== null;
  }

  /** A mapping of it is anonymous memory, as of /dev/zero. */
  get mapsAnonymous(): boolean {
    return false;
  }

  /** Runs inside mmap, with mmap_lock held for write, on the new vma. 0 or a negative errno. */
  *mmap(_vma: Vma): Coroutine<number> {
    return 0;
  }
}
