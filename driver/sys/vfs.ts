import { EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM } from '../../uapi/errno.js';
import { __O_TMPFILE, O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_TRUNC } from '../../uapi/fcntl.js';
import type { Coroutine } from '../core/effect.js';
import type { Machine } from './machine.js';
import type { OpenFile } from './open-file.js';
import type { Thread } from './thread.js';
import { TmpfsFile, TmpfsInode } from './tmpfs-file.js';

const TMP = '/tmp';
const NAME_MAX = 255;
const PATH_MAX = 4096;

/** Opens what stands at a fixed path: a device, or a file of /proc or /sys. A file or a negative errno. */
export type SpecialOpen = (thread: Thread, flags: number) => Coroutine<OpenFile | number>;

/** The tree of paths: special files at fixed places and one flat tmpfs at /tmp. */
export class Vfs {
  private readonly specials = new Map<string, SpecialOpen>();
  private readonly names = new Map<string, TmpfsInode>();

  constructor(private readonly machine: Machine) {}

  addSpecial(path: string, open: SpecialOpen): void {
    this.specials.set(path, open);
  }

  /** Forgets every file of /tmp. */
  reset(): void {
    this.names.clear();
  }

  /** open(2): the open file, or a negative errno. */
  *open(thread: Thread, path: string, flags: number): Coroutine<OpenFile | number> {
    if (path.length >= PATH_MAX) return -ENAMETOOLONG;
    const special = this.specials.get(path);
    if (special !== undefined) {
      if (flags & O_DIRECTORY) return -ENOTDIR;
      if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return -EEXIST;
      return yield* special(thread, flags);
    }
    if (path === TMP) return this.openDirectory(flags);
    const name = tmpName(path);
    if (name === null) return -ENOENT;
    return name.length > NAME_MAX ? -ENAMETOOLONG : yield* this.openTmpfs(name, flags);
  }

  /** unlink(2). Special files stay. */
  *unlink(path: string): Coroutine<number> {
    if (this.specials.has(path)) return -EPERM;
    if (path === TMP) return -EISDIR;
    const name = tmpName(path);
    const inode = name === null ? undefined : this.names.get(name);
    if (name === null || inode === undefined) return -ENOENT;
    this.names.delete(name);
    inode.links--;
    yield* inode.evictIfUnused();
    return 0;
  }

  /** A directory can only be opened to make a file without a name in it. */
  private openDirectory(flags: number): OpenFile | number {
    if (!(flags & __O_TMPFILE)) return -EISDIR;
    if ((flags & O_ACCMODE) === O_RDONLY) return -EINVAL;
    return new TmpfsFile(this.machine, flags, new TmpfsInode(this.machine.memory));
  }

  private *openTmpfs(name: string, flags: number): Coroutine<OpenFile | number> {
    let inode = this.names.get(name);
    if (inode === undefined) {
      if (!(flags & O_CREAT)) return -ENOENT;
      inode = new TmpfsInode(this.machine.memory);
      inode.links = 1;
      this.names.set(name, inode);
    } else if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) {
      return -EEXIST;
    }
    if (flags & O_DIRECTORY) return -ENOTDIR;
    const file = new TmpfsFile(this.machine, flags, inode);
    if (flags & O_TRUNC && file.isWritable) yield* file.ftruncate(0);
    return file;
  }
}

/** The name in /tmp, or null when the path leads elsewhere. There are no directories in it. */
function tmpName(path: string): string | null {
  const name = path.startsWith(`${TMP}/`) ? path.slice(TMP.length + 1) : '';
  return name === '' || name.includes('/') ? null : name;
}
