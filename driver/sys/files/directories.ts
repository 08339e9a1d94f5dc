import { EBUSY, EINVAL, EISDIR, ENOENT, ENOTEMPTY } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import type { FileSystemLimit } from '../../mm/files/address-space.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFDIR } from './open-file.js';

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** An open directory: its names as they were when it was opened. `position` counts entries. */
export class DirectoryFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    readonly entries: readonly DirectoryEntry[],
  ) {
    super(releases, flags);
  }

  override stat(): FileStat {
    return { mode: S_IFDIR | 0o755, size: 0, ino: 5, rdev: 0 };
  }

  override *pread(): Coroutine<number> {
    return -EISDIR;
  }
}

interface Directory {
  readonly owner: number;
  /** What may be in it, once a tmpfs is mounted there. */
  mount: FileSystemLimit | null;
}

const HUGE = ['never', 'always', 'within_size', 'advise'];
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

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
  mountTmpfs(path: string, options: string, isEmpty: boolean): number {
    const directory = this.made.get(path);
    if (directory === undefined) return -ENOENT;
    if (directory.mount !== null || !isEmpty) return -EBUSY;
    const limit = tmpfsLimit(options);
    if (typeof limit === 'number') return limit;
    directory.mount = limit;
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

  /** Of the tmpfs that holds `path`; null: one without. */
  limitOf(path: string): FileSystemLimit | null {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const mount = this.made.get(path.slice(0, end))?.mount ?? null;
      if (mount !== null) return mount;
    }
    return null;
  }
}

/** What mount(2) says of a tmpfs, or -EINVAL. Linux: part of mm/shmem.c:shmem_parse_one(). Deviates: only `size`, `huge` and `mode`, and a file gets no huge page. */
function tmpfsLimit(options: string): FileSystemLimit | number {
  let maxPages = Number.POSITIVE_INFINITY;
  for (const option of options === '' ? [] : options.split(',')) {
    const [name, value = ''] = option.split('=', 2) as [string, string?];
    const size = /^(\d+)([kmg]?)$/i.exec(value);
    if (name === 'size' && size !== null)
      maxPages = Math.ceil((Number(size[1]) * UNITS[size[2]!.toLowerCase()]!) / PAGE_SIZE) || Number.POSITIVE_INFINITY;
    else if (!(name === 'huge' && HUGE.includes(value)) && !(name === 'mode' && /^[0-7]+$/.test(value))) return -EINVAL;
  }
  return { maxPages, files: [] };
}
