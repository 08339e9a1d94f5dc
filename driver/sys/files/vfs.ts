import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  ETXTBSY,
  EXDEV,
} from '../../../uapi/errno.js';
import {
  __O_TMPFILE,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_RDONLY,
  O_TRUNC,
} from '../../../uapi/fcntl.js';
import { type Coroutine, preemptPoint } from '../../core/effect.js';
import type { FileSystemLimit } from '../../mm/files/address-space.js';
import { usedPages } from '../../mm/files/shmem.js';
import type { Machine } from '../machine/machine.js';
import { MAX_INODES } from '../processes/machine-limits.js';
import type { Thread } from '../processes/thread.js';
import { Directories, type DirectoryEntry, DirectoryFile } from './directories.js';
import type { OpenFile } from './open-file.js';
import { PROC_FD, procFdEntries, procFdLink, procPidLookup } from './proc/proc-fd.js';
import { TmpfsFile, TmpfsInode } from './tmpfs-file.js';
import { shmemParseOptions } from './tmpfs-options.js';

const TMP = '/tmp';
/** What goes on behind a link in /proc. */
const BELOW_LINK = /^(\/proc\/self\/fd\/\d+)(\/.+)$/;
const NAME_MAX = 255;
const PATH_MAX = 4096;
const REMOVE_POINT = preemptPoint('remove files');

/** Opens what stands at a fixed path: a device, or a file of /proc or /sys. A file or a negative errno. */
export type SpecialOpen = (thread: Thread, flags: number) => Coroutine<OpenFile | number>;

/** How large a file system is, and what of it is free. */
export interface FileSystemStat {
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** What has no limit shows 0. Linux: mm/shmem.c:shmem_statfs() */
function shmemStatfs(limit: FileSystemLimit, freeInodes: number): FileSystemStat {
  const { maxPages, maxInodes } = limit;
  return {
    blocks: maxPages,
    freeBlocks: maxPages === 0 ? 0 : maxPages - usedPages(limit),
    files: maxInodes,
    freeFiles: maxInodes === 0 ? 0 : freeInodes,
  };
}

/** The tree of paths: special files at fixed places, and two tmpfs, the root itself and /tmp, with directories of programs below. */
export class Vfs {
  private readonly specials = new Map<string, SpecialOpen>();
  /** By path. */
  private readonly names = new Map<string, TmpfsInode>();
  /** Programs by path, for each owner of processes: those of one see nothing of another's. */
  private readonly programs = new Map<number, Map<string, TmpfsInode>>();
  private readonly directories = new Directories();
  private readonly resets: (() => void)[] = [];
  private readonly removals: ((owner: number) => void)[] = [];

  constructor(private readonly machine: Machine) {}

  addSpecial(path: string, open: SpecialOpen): void {
    this.specials.set(path, open);
  }

  /** `reset` runs when a life of the machine ends. */
  onReset(reset: () => void): void {
    this.resets.push(reset);
  }

  /** `removed` runs when the files of an owner go. */
  onRemoval(removed: (owner: number) => void): void {
    this.removals.push(removed);
  }

  /** Forgets every file that was made here and every program. */
  reset(): void {
    for (const reset of this.resets) reset();
    this.names.clear();
    this.directories.clear();
    this.programs.clear();
  }

  /** A file with contents at a fixed path, as the program that runs, in place of one that was there. It stays until its owner ends. */
  *addProgram(path: string, inode: TmpfsInode, owner: number): Coroutine<void> {
    const programs = this.programs.get(owner) ?? new Map<string, TmpfsInode>();
    const old = programs.get(path);
    if (old === inode) return;
    inode.links++;
    this.programs.set(owner, programs.set(path, inode));
    if (old !== undefined) yield* this.dropLinks([old]);
  }

  /** The owner is gone: so are its programs, and the names that its processes made. Who has such a file open keeps it. */
  *removeOf(owner: number): Coroutine<void> {
    for (const removed of this.removals) removed(owner);
    const inodes = [...(this.programs.get(owner)?.values() ?? [])];
    this.programs.delete(owner);
    this.directories.removeOf(owner);
    for (const [name, inode] of this.names) {
      if (inode.owner !== owner) continue;
      this.names.delete(name);
      inodes.push(inode);
    }
    yield* this.dropLinks(inodes);
  }

  /** Each of these files has lost a name. */
  private *dropLinks(inodes: readonly TmpfsInode[]): Coroutine<void> {
    const { scheduler } = this.machine.kernel;
    for (const inode of inodes) {
      inode.links--;
      yield* inode.evictIfUnused();
      if (scheduler.contended) yield REMOVE_POINT;
    }
  }

  /** There is something to remove of this owner. */
  hasFilesOf(owner: number): boolean {
    if (this.programs.has(owner) || this.directories.hasOf(owner)) return true;
    for (const inode of this.names.values()) if (inode.owner === owner) return true;
    return false;
  }

  /** open(2): the open file, or a negative errno. */
  *open(thread: Thread, path: string, flags: number): Coroutine<OpenFile | number> {
    const file = yield* this.openPath(thread, path, flags);
    if (typeof file === 'number') return file;
    if (file.path === '') file.path = path;
    file.flags &= ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    return file;
  }

  /** Something stands at `path`, for processes of `owner`. */
  exists(path: string, owner: number): boolean {
    return this.specials.has(path) || this.inodeOf(path, owner) !== undefined || this.isDirectory(path, owner);
  }

  /** Looks at no name of a file that was made here, of which there may be many. */
  isDirectory(path: string, owner: number): boolean {
    if (path === '/' || path === TMP || path === PROC_FD || this.directories.has(path)) return true;
    const prefix = `${path}/`;
    for (const full of this.specials.keys()) if (full.startsWith(prefix)) return true;
    for (const full of this.programsOf(owner)) if (full.startsWith(prefix)) return true;
    return false;
  }

  /** The names in a directory, in order of being made. */
  list(path: string, owner: number): DirectoryEntry[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const found = new Map<string, DirectoryEntry>();
    for (const full of [...this.specials.keys(), ...this.programsOf(owner), ...this.names.keys()]) {
      if (!full.startsWith(prefix)) continue;
      const rest = full.slice(prefix.length);
      const name = rest.split('/', 1)[0]!;
      found.set(name, { name, isDirectory: rest !== name });
    }
    for (const full of this.directories.paths) {
      if (full.lastIndexOf('/') !== prefix.length - 1 || !full.startsWith(prefix)) continue;
      found.set(full.slice(prefix.length), { name: full.slice(prefix.length), isDirectory: true });
    }
    if (path === '/proc/self') found.set('fd', { name: 'fd', isDirectory: true });
    if (path === '/') found.set('tmp', { name: 'tmp', isDirectory: true });
    return [...found.values()];
  }

  /** rename(2) of files that were made here. Deviates: directories keep their names. */
  *rename(from: string, to: string): Coroutine<number> {
    if (this.directories.has(from) || this.directories.has(to)) return -EOPNOTSUPP;
    const [oldName, newName] = [this.tmpfsPath(from), this.tmpfsPath(to)];
    const inode = oldName === null ? undefined : this.names.get(oldName);
    if (oldName === null || inode === undefined) return -ENOENT;
    if (newName === null || this.directories.limitOf(from) !== this.directories.limitOf(to)) return -EXDEV;
    const replaced = this.names.get(newName);
    this.names.delete(oldName);
    this.names.set(newName, inode);
    if (replaced === undefined || replaced === inode) return 0;
    replaced.links--;
    yield* replaced.evictIfUnused();
    return 0;
  }

  private programsOf(owner: number): Iterable<string> {
    return this.programs.get(owner)?.keys() ?? [];
  }

  /** Something that is no directory stands on the way to `path`. */
  private leadsThroughFile(path: string, owner: number): boolean {
    // A path may be thousands of slashes.
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, end);
      if (this.exists(parent, owner)) return !this.isDirectory(parent, owner);
    }
    return false;
  }

  private inodeOf(path: string, owner: number): TmpfsInode | undefined {
    return this.programs.get(owner)?.get(path) ?? this.names.get(path);
  }

  private *openPath(thread: Thread, path: string, flags: number): Coroutine<OpenFile | number> {
    if (path.length >= PATH_MAX) return -ENAMETOOLONG;
    const other = procPidLookup(thread, path);
    if (other !== null) return yield* this.openPath(other.thread, other.path, flags);
    const [, link, below] = BELOW_LINK.exec(path) ?? [];
    const parent = link === undefined ? null : procFdLink(thread, link);
    if (parent !== null)
      return parent instanceof DirectoryFile ? yield* this.openPath(thread, parent.path + below, flags) : -ENOTDIR;
    const linked = procFdLink(thread, path);
    if (linked !== null) return yield* this.openLink(thread, linked, flags);
    const special = this.specials.get(path);
    if (special !== undefined) {
      if (flags & O_DIRECTORY) return -ENOTDIR;
      if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return -EEXIST;
      return yield* special(thread, flags);
    }
    const { owner } = thread.process;
    const program = this.programs.get(owner)?.get(path);
    if (program !== undefined) return this.openProgram(program, flags);
    if (this.isDirectory(path, owner)) return this.openDirectory(thread, path, flags);
    const name = this.tmpfsPath(path);
    if (name === null) return this.noPlace(path, flags, owner);
    return name.length - name.lastIndexOf('/') - 1 > NAME_MAX
      ? -ENAMETOOLONG
      : yield* this.openTmpfs(name, flags, owner);
  }

  /** Why nothing can be opened at `path`. Linux: part of fs/namei.c:lookup_open(), as lookup in /proc comes before it */
  private noPlace(path: string, flags: number, owner: number): number {
    if (this.leadsThroughFile(path, owner)) return -ENOTDIR;
    const parent = path.slice(0, path.lastIndexOf('/'));
    return flags & O_CREAT && /^\/sys(\/|$)/.test(parent) && this.isDirectory(parent, owner) ? -EACCES : -ENOENT;
  }

  private isFull(path: string): boolean {
    return this.names.size + this.directories.size >= MAX_INODES || this.directories.isFull(path);
  }

  private newInode(path: string): TmpfsInode {
    const inode = new TmpfsInode(this.machine.memory);
    const limit = this.directories.limitOf(path);
    inode.mapping.limit = limit;
    limit?.files.push(inode.mapping);
    return inode;
  }

  /** `path` if a file can be made there, or null. */
  private tmpfsPath(path: string): string | null {
    const at = path.lastIndexOf('/');
    const parent = path.slice(0, at);
    const isPlace = at === 0 || parent === TMP || this.directories.has(parent);
    return isPlace && at < path.length - 1 ? path : null;
  }

  /** mkdir(2), below a tmpfs. */
  mkdir(path: string, owner: number): number {
    if (path.length - path.lastIndexOf('/') - 1 > NAME_MAX) return -ENAMETOOLONG;
    if (this.exists(path, owner)) return -EEXIST;
    if (this.tmpfsPath(path) === null) return this.leadsThroughFile(path, owner) ? -ENOTDIR : -ENOENT;
    if (this.isFull(path)) return -ENOSPC;
    this.directories.add(path, owner);
    return 0;
  }

  /** rmdir(2) of a directory that was made here. */
  rmdir(path: string, owner: number): number {
    if (!this.exists(path, owner)) return -ENOENT;
    if (!this.isDirectory(path, owner)) return -ENOTDIR;
    if (!this.directories.has(path)) return -EBUSY;
    return this.directories.remove(path, this.list(path, owner).length === 0);
  }

  /** mount(2) of a tmpfs, on a directory that was made here. */
  mountTmpfs(path: string, owner: number, options: string): number {
    if (!this.exists(path, owner)) return -ENOENT;
    const parsed = shmemParseOptions(options, this.machine.memory.frames.systemFrames);
    if (typeof parsed === 'number') return parsed;
    if (!this.isDirectory(path, owner)) return -ENOTDIR;
    return this.directories.mountTmpfs(path, parsed, this.list(path, owner).length === 0);
  }

  /** Of the tmpfs that holds `path`. What has no limit, and no size of its own, has that of the machine's memory. */
  statfs(path: string, file: OpenFile | null): FileSystemStat {
    const limit = file?.mapping?.limit ?? this.directories.limitOf(`${path}/x`);
    if (limit !== null) return shmemStatfs(limit, this.directories.freeInodes(limit));
    const { frames, allocator } = this.machine.memory;
    const inodes = { files: MAX_INODES, freeFiles: MAX_INODES - this.names.size - this.directories.size };
    return { blocks: frames.systemFrames, freeBlocks: Math.max(0, allocator.available), ...inodes };
  }

  /** umount(2): the files of the tmpfs are gone; -EBUSY while one is open or mapped. */
  *umount(path: string, owner: number): Coroutine<number> {
    if (!this.exists(path, owner)) return -ENOENT;
    const below = [...this.names].filter(([name]) => name.startsWith(`${path}/`));
    const isBusy = this.directories.hasMountsBelow(path) || below.some(([, inode]) => inode.opens > 0);
    const error = this.directories.has(path) && isBusy ? -EBUSY : this.directories.umount(path);
    if (error !== 0) return error;
    for (const [name] of below) this.names.delete(name);
    yield* this.dropLinks(below.map(([, inode]) => inode));
    return 0;
  }

  /** unlink(2). Special files stay. */
  *unlink(path: string): Coroutine<number> {
    if (this.specials.has(path)) return -EPERM;
    if (path === TMP || this.directories.has(path)) return -EISDIR;
    const name = this.tmpfsPath(path);
    const inode = name === null ? undefined : this.names.get(name);
    if (name === null || inode === undefined) return -ENOENT;
    this.names.delete(name);
    inode.links--;
    yield* inode.evictIfUnused();
    return 0;
  }

  /** A directory is opened to make a file without a name in it, or to read its names. */
  private openDirectory({ process }: Thread, path: string, flags: number): OpenFile | number {
    if (!(flags & __O_TMPFILE)) {
      if ((flags & O_ACCMODE) !== O_RDONLY || flags & O_CREAT) return -EISDIR;
      return new DirectoryFile(this.machine, flags, () =>
        path === PROC_FD ? procFdEntries(process) : this.list(path, process.owner),
      );
    }
    if (path !== TMP && path !== '/' && !this.directories.has(path)) return -EOPNOTSUPP;
    if ((flags & O_ACCMODE) === O_RDONLY) return -EINVAL;
    if (this.directories.isFull(`${path}/x`)) return -ENOSPC;
    return new TmpfsFile(this.machine, flags, this.newInode(`${path}/x`));
  }

  /** The link leads to what is open, by whatever name. Linux: part of fs/namei.c:do_open() and fs/proc/base.c:proc_pid_get_link() */
  private *openLink(thread: Thread, linked: OpenFile, flags: number): Coroutine<OpenFile | number> {
    if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return -EEXIST;
    if (flags & O_NOFOLLOW) return -ELOOP;
    if (linked instanceof DirectoryFile) return yield* linked.reopen(thread, flags);
    if (flags & O_DIRECTORY) return -ENOTDIR;
    const isProgram = linked instanceof TmpfsFile && this.isProgram(linked.inode, thread.process.owner);
    const file = isProgram ? this.openProgram(linked.inode, flags) : yield* linked.reopen(thread, flags);
    if (typeof file !== 'number') file.path = linked.path;
    return file;
  }

  private isProgram(inode: TmpfsInode, owner: number): boolean {
    return [...(this.programs.get(owner)?.values() ?? [])].includes(inode);
  }

  private openProgram(inode: TmpfsInode, flags: number): OpenFile | number {
    if ((flags & O_ACCMODE) !== O_RDONLY) return -ETXTBSY;
    return flags & O_DIRECTORY ? -ENOTDIR : new TmpfsFile(this.machine, flags, inode);
  }

  private *openTmpfs(name: string, flags: number, owner: number): Coroutine<OpenFile | number> {
    let inode = this.names.get(name);
    if (inode === undefined) {
      if (!(flags & O_CREAT)) return -ENOENT;
      if (this.isFull(name)) return -ENOSPC;
      inode = this.newInode(name);
      inode.links = 1;
      inode.owner = owner;
      this.names.set(name, inode);
    } else if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) {
      return -EEXIST;
    }
    if (flags & O_DIRECTORY) return -ENOTDIR;
    return yield* new TmpfsFile(this.machine, flags, inode).handleTruncate();
  }
}
