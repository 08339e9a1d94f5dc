import { EBUSY, EINVAL, EISDIR, ENOTEMPTY, EPERM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import type { FileSystemLimit } from '../../mm/files/address-space.js';
import { type Seek, seqLseek } from './llseek.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFDIR } from './open-file.js';
import type { TmpfsOptions } from './tmpfs-options.js';

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly isLink?: boolean;
}

/** An open directory: its names as they were when it was last read from its begin. `position` counts entries. */
export class DirectoryFile extends OpenFile {
  private listed: readonly DirectoryEntry[] = [];

  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly list: () => readonly DirectoryEntry[],
  ) {
    super(releases, flags);
  }

  get entries(): readonly DirectoryEntry[] {
    if (this.position === 0) this.listed = this.list();
    return this.listed;
  }

  override stat(): FileStat {
    return { mode: S_IFDIR | 0o755, size: 0, ino: 5, rdev: 0 };
  }

  override get hasFsync(): boolean {
    return !/^\/(proc|sys)(\/|$)/.test(this.path);
  }

  override *pread(): Coroutine<number> {
    return -EISDIR;
  }

  override llseek(seek: Seek): number {
    return seqLseek(this, seek);
  }
}

interface Directory {
  readonly owner: number;
  /** What may be in it, once a tmpfs is mounted there. */
  mount: FileSystemLimit | null;
}

/** Directories that programs have made, by path, and the tmpfs that are mounted on some. */
export class Directories {
  private readonly made = new Map<string, Directory>();

  has(path: string): boolean {
    return this.made.has(path);
  }

  get size(): number {
    return this.made.size;
  }

  get paths(): Iterable<string> {
    return this.made.keys();
  }

  add(path: string, owner: number): void {
    this.made.set(path, { owner, mount: null });
  }

  clear(): void {
    this.made.clear();
  }

  hasOf(owner: number): boolean {
    return [...this.made.values()].some((directory) => directory.owner === owner);
  }

  removeOf(owner: number): void {
    for (const [path, directory] of this.made) if (directory.owner === owner) this.made.delete(path);
  }

  /** 0; -EBUSY for one that something is mounted on, whatever is in that. */
  remove(path: string, isEmpty: boolean): number {
    if (this.made.get(path)?.mount !== null) return -EBUSY;
    if (!isEmpty) return -ENOTEMPTY;
    this.made.delete(path);
    return 0;
  }

  /** A tmpfs on the empty directory `path`. Deviates: no mount on a mount, nor over what is there, which Linux would hide. */
  mountTmpfs(path: string, options: TmpfsOptions, isEmpty: boolean): number {
    const directory = this.made.get(path);
    if (directory === undefined) return -EPERM;
    if (directory.mount !== null || !isEmpty) return -EBUSY;
    directory.mount = { ...options, files: [] };
    return 0;
  }

  /** What is mounted is no more; its files are the caller's to remove. -EINVAL where there is none. */
  umount(path: string): number {
    const directory = this.made.get(path);
    if (directory === undefined || directory.mount === null) return -EINVAL;
    directory.mount = null;
    for (const other of this.made.keys()) if (other.startsWith(`${path}/`)) this.made.delete(other);
    return 0;
  }

  /** A tmpfs is mounted below `path`. */
  hasMountsBelow(path: string): boolean {
    return [...this.made].some(([other, { mount }]) => mount !== null && other.startsWith(`${path}/`));
  }

  /** Of a mounted tmpfs, how many of its inodes are not used. Its root is one. Linux: part of mm/shmem.c:shmem_reserve_inode() */
  freeInodes(limit: FileSystemLimit): number {
    const directories = [...this.made.keys()].filter((path) => this.limitOf(path) === limit);
    return limit.maxInodes - 1 - directories.length - limit.files.length;
  }

  /** There is no room for an inode at `path`. */
  isFull(path: string): boolean {
    const limit = this.limitOf(path);
    return limit !== null && limit.maxInodes > 0 && this.freeInodes(limit) <= 0;
  }

  /** Of the tmpfs that holds `path`; null: one without. */
  limitOf(path: string): FileSystemLimit | null {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const mount = this.made.get(path.slice(0, end))?.mount ?? null;
      if (mount !== null) return mount;
    }
    return null;
  }
}
