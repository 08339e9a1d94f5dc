import { EBADF, ENOENT } from '../../../uapi/errno.js';
import { O_RDONLY } from '../../../uapi/fcntl.js';
import { writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../../mm/frames/frames.js';
import { BLOCK_BYTES, type FileStat, type OpenFile, S_IFCHR, S_IFDIR, S_IFLNK } from '../../sys/files/open-file.js';
import { procFdLink } from '../../sys/files/proc/proc-fd.js';
import { strncpyFromUser, writeUser } from '../../sys/processes/user-memory.js';
import { AT_FDCWD, readPath, resolvePath } from '../guest-path.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STAT_BYTES = 128;
const STATX_BYTES = 256;
const STATFS_BYTES = 120;
const TMPFS_MAGIC = 0x01021994;
const HUGETLBFS_MAGIC = 0x958458f6;

/** What is known of files. */
export const statSyscalls: GuestSyscallTable = {
  43: {
    name: 'statfs',
    args: 'sp',
    note: 'everything is tmpfs',
    *run(guest) {
      const path = yield* readPath(guest, AT_FDCWD, guest.u(0));
      if (typeof path === 'number') return path;
      const { machine, owner } = guest.process;
      return machine.vfs.exists(path, owner) ? yield* writeStatfs(guest, path, null) : -ENOENT;
    },
  },
  44: {
    name: 'fstatfs',
    args: 'dp',
    note: 'everything is tmpfs or hugetlbfs',
    *run(guest) {
      const file = guest.process.files.get(guest.int(0));
      return file === null ? -EBADF : yield* writeStatfs(guest, file.path, file);
    },
  },
  48: { name: 'faccessat', args: 'asx', note: 'says whether it is there', run: access },
  79: {
    name: 'newfstatat',
    args: 'aspx',
    note: 'no owners, links or times',
    *run(guest) {
      const stat = yield* statAt(guest, guest.int(3));
      return typeof stat === 'number' ? stat : yield* writeUser(guest.mm, guest.u(2), encodeStat(stat));
    },
  },
  80: {
    name: 'fstat',
    args: 'dp',
    note: 'no owners, links or times',
    *run(guest) {
      const file = guest.process.files.get(guest.int(0));
      return file === null ? -EBADF : yield* writeUser(guest.mm, guest.u(1), encodeStat(file.stat()));
    },
  },
  291: {
    name: 'statx',
    args: 'asxxp',
    note: 'no owners, links or times',
    *run(guest) {
      const stat = yield* statAt(guest, guest.int(2));
      return typeof stat === 'number' ? stat : yield* writeUser(guest.mm, guest.u(4), encodeStatx(stat));
    },
  },
  439: { name: 'faccessat2', args: 'asxx', note: 'says whether it is there', run: access },
};

function* access(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, guest.int(0), guest.u(1));
  if (typeof path === 'number') return path;
  const isThere =
    procFdLink(guest.thread, path) !== null || guest.process.machine.vfs.exists(path, guest.process.owner);
  return isThere ? 0 : -ENOENT;
}

function* statAt(guest: GuestThread, flags: number): Coroutine<FileStat | number> {
  const text = yield* strncpyFromUser(guest.mm, guest.u(1));
  if (typeof text === 'number') return text;
  if (text === '') {
    if (!(flags & AT_EMPTY_PATH)) return -ENOENT;
    return guest.process.files.get(guest.int(0))?.stat() ?? -EBADF;
  }
  const path = resolvePath(guest, guest.int(0), text);
  if (typeof path === 'number') return path;
  const linked = procFdLink(guest.thread, path);
  if (linked === null) return yield* statPath(guest, path);
  if (!(flags & AT_SYMLINK_NOFOLLOW)) return linked.stat();
  const bits = (linked.isReadable ? 0o500 : 0) | (linked.isWritable ? 0o300 : 0);
  return { mode: S_IFLNK | bits, size: 64, ino: 6, rdev: 0, blocks: 0 };
}

function* statPath({ thread, process }: GuestThread, path: string): Coroutine<FileStat | number> {
  const { owner } = process;
  const { vfs } = process.machine;
  if (vfs.isDirectory(path, owner))
    return { mode: S_IFDIR | (path === '/tmp' ? 0o1777 : 0o755), size: 0, ino: 5, rdev: 0 };
  if (!vfs.exists(path, owner)) return -ENOENT;
  // To open a device file is an event of its own, so nothing is opened to look at it.
  if (path.startsWith('/dev/')) return { mode: S_IFCHR | 0o600, size: 0, ino: 1, rdev: 0 };
  const file = yield* vfs.open(thread, path, O_RDONLY);
  if (typeof file === 'number') return file;
  const stat = file.stat();
  yield* file.put();
  return stat;
}

function blocksOf(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}

/** struct stat of riscv64 (include/uapi/asm-generic/stat.h). */
function encodeStat({ mode, size, ino, rdev, blockSize = PAGE_SIZE, blocks = blocksOf(size) }: FileStat): Uint8Array {
  const bytes = new Uint8Array(STAT_BYTES);
  const view = new DataView(bytes.buffer);
  writeU64(view, 0, 1);
  writeU64(view, 8, ino);
  view.setUint32(16, mode, true);
  view.setUint32(20, 1, true);
  writeU64(view, 32, rdev);
  writeU64(view, 48, size);
  view.setUint32(56, blockSize, true);
  writeU64(view, 64, blocks);
  return bytes;
}

/** struct statx (include/uapi/linux/stat.h). */
function encodeStatx({ mode, size, ino, rdev, blockSize = PAGE_SIZE, blocks = blocksOf(size) }: FileStat): Uint8Array {
  const bytes = new Uint8Array(STATX_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x7ff, true);
  view.setUint32(4, blockSize, true);
  view.setUint32(16, 1, true);
  view.setUint16(28, mode, true);
  writeU64(view, 32, ino);
  writeU64(view, 40, size);
  writeU64(view, 48, blocks);
  view.setUint32(128, rdev >>> 8, true);
  view.setUint32(132, rdev & 0xff, true);
  view.setUint32(140, 1, true);
  return bytes;
}

function* writeStatfs(guest: GuestThread, path: string, file: OpenFile | null): Coroutine<number> {
  const view = new DataView(new ArrayBuffer(STATFS_BYTES));
  // What is not mounted anywhere has no limit of its own. Linux: fs/hugetlbfs/inode.c:hugetlbfs_statfs()
  const isHugetlb = file?.mapping?.hugetlb != null;
  const { vfs } = guest.process.machine;
  const stat = isHugetlb ? { blocks: 0, freeBlocks: 0, files: 0, freeFiles: 0 } : vfs.statfs(path, file);
  const { blocks, freeBlocks, files, freeFiles } = stat;
  const [type, blockSize] = isHugetlb ? [HUGETLBFS_MAGIC, HPAGE_PMD_SIZE] : [TMPFS_MAGIC, PAGE_SIZE];
  const fields = [type, blockSize, blocks, freeBlocks, freeBlocks, files, freeFiles, 0, 255, blockSize];
  for (const [i, value] of fields.entries()) writeU64(view, 8 * i, value);
  return yield* writeUser(guest.mm, guest.u(1), new Uint8Array(view.buffer));
}
