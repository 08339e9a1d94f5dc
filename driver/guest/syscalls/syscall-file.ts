import {
  EBADF,
  EFBIG,
  EINVAL,
  ENAMETOOLONG,
  ENODEV,
  ENOENT,
  ENOTDIR,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  ESPIPE,
} from '../../../uapi/errno.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_CLOEXEC, O_NONBLOCK } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import { type DirectoryEntry, DirectoryFile } from '../../sys/files/directories.js';
import type { OpenFile } from '../../sys/files/open-file.js';
import { createPipe, PipeEnd } from '../../sys/files/pipe-end.js';
import { procLink } from '../../sys/files/proc/proc-self.js';
import { TmpfsFile } from '../../sys/files/tmpfs-file.js';
import { MAX_FILE_BYTES } from '../../sys/processes/machine-limits.js';
import { strncpyFromUser, words32, writeUser } from '../../sys/processes/user-memory.js';
import { AT_FDCWD, readPath } from '../guest-path.js';
import { fixed, type GuestSyscallTable, machineCall } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ioctlName } from '../strace.js';
import { fcntl } from './syscall-fcntl.js';

const POSIX_FADV_NOREUSE = 5;
const AT_REMOVEDIR = 0x200;
/** MS_NOSUID, MS_NODEV, MS_NOATIME, MS_SILENT, MS_RELATIME: of what is not here, or shows nowhere. */
const HARMLESS_MOUNT_FLAGS = 0x2 | 0x4 | 0x400 | 0x8000 | 0x200000;
const DT_DIR = 4;
const DT_REG = 8;
const DT_LNK = 10;
/** Files of the kernel's own, of which there are fewer here than in Linux. */
const OURS = /^\/(proc(?!\/self\/fd\/)|sys|dev)\//;

/** Descriptors and paths; the transfer of bytes is in syscall-io.ts, stat in syscall-stat.ts. */
export const fileSyscalls: GuestSyscallTable = {
  17: {
    name: 'getcwd',
    args: 'pn',
    note: 'whole',
    *run(guest) {
      const bytes = new TextEncoder().encode(`${guest.process.image!.cwd}\0`);
      if (bytes.length > guest.u(1)) return -ERANGE;
      return (yield* writeUser(guest.mm, guest.u(0), bytes)) || bytes.length;
    },
  },
  23: { name: 'dup', args: 'd', note: 'whole', run: dup },
  24: { name: 'dup3', args: 'ddO', note: 'whole', run: dup3 },
  25: { name: 'fcntl', args: 'dFx', note: 'no locks, leases or signals; pipes of up to 1 MiB', run: fcntl },
  29: {
    name: 'ioctl',
    args: 'diI',
    note: 'device files, terminals by name only',
    *run(guest) {
      const [fd, request] = [guest.int(0), guest.int(1) >>> 0];
      const ret = yield* machineCall(guest, 'ioctl', fd, request, guest.u(2));
      const path = guest.process.files.get(fd)?.path ?? '';
      if (ret === -ENOTTY && OURS.test(path))
        guest.host.unsupported(`ioctl ${ioctlName(guest, fd, request)} of ${path}`);
      return ret;
    },
  },
  34: { name: 'mkdirat', args: 'aso', note: 'in a tmpfs', run: mkdirat },
  35: { name: 'unlinkat', args: 'asx', note: 'what was made here', run: unlinkat },
  39: { name: 'umount2', args: 'sx', note: 'no flags', run: umount2 },
  40: { name: 'mount', args: 'sssxs', note: 'a tmpfs on an empty directory that was made here', run: mount },
  46: {
    name: 'ftruncate',
    args: 'dl',
    note: 'whole',
    run: (guest) => machineCall(guest, 'ftruncate', guest.int(0), guest.s(1)),
  },
  47: { name: 'fallocate', args: 'dxll', note: 'whole for tmpfs, hugetlbfs and memfds', run: fallocate },
  49: { name: 'chdir', args: 's', note: 'whole', run: chdir },
  52: {
    name: 'fchmod',
    args: 'do',
    note: 'of tmpfs, hugetlbfs and memfds; it keeps nobody from anything',
    run: fchmod,
  },
  56: { name: 'openat', args: 'asOo', note: 'whole', run: openat },
  57: {
    name: 'close',
    args: 'd',
    note: 'whole',
    run: (guest) => machineCall(guest, 'close', guest.int(0)),
  },
  59: { name: 'pipe2', args: 'pO', note: 'no O_DIRECT', run: pipe2 },
  61: { name: 'getdents64', args: 'dpn', note: 'whole', run: getdents64 },
  62: {
    name: 'lseek',
    args: 'dlL',
    note: 'whole',
    run: (guest) => machineCall(guest, 'lseek', guest.int(0), guest.s(1), guest.int(2)),
  },
  78: { name: 'readlinkat', args: 'aspn', note: 'links of /proc/self', run: readlinkat },
  81: fixed('sync', '', { ret: 0, note: 'nothing to write back' }),
  82: { name: 'fsync', args: 'd', note: 'nothing to write back', run: fsync },
  83: { name: 'fdatasync', args: 'd', note: 'nothing to write back', run: fsync },
  166: fixed('umask', 'o', { ret: 0o22, note: 'always 022' }),
  223: { name: 'fadvise64', args: 'dlld', note: 'checked; no effect, as of tmpfs', run: genericFadvise },
  276: { name: 'renameat2', args: 'asasx', note: 'files that were made here, no flags', run: renameat2 },
  436: { name: 'close_range', args: 'nnx', note: 'closes; no flags', run: closeRange },
};

function* openat(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, guest.int(0), guest.u(1));
  if (typeof path === 'number') return path;
  const flags = guest.int(2);
  const ret = yield* machineCall(guest, 'open', path, flags, guest.int(3));
  if (ret === -ENOENT && OURS.test(path)) guest.host.unsupported(`file ${path}`);
  if (ret >= 0 && flags & O_CLOEXEC) guest.process.files.setCloseOnExec(ret, true);
  return ret;
}

/** Deviates: every other file keeps its mode. Linux: part of fs/open.c:vfs_fchmod() */
function* fchmod(guest: GuestThread): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  return file instanceof TmpfsFile ? file.chmod(guest.int(1)) : -EPERM;
}

/** Linux: part of fs/sync.c:vfs_fsync_range() */
function* fsync(guest: GuestThread): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  return file.hasFsync ? 0 : -EINVAL;
}

function* dup(guest: GuestThread): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  file.get();
  const fd = guest.process.files.install(file);
  if (fd < 0) yield* file.put();
  return fd;
}

function* dup3(guest: GuestThread): Coroutine<number> {
  const { files } = guest.process;
  const [from, to, flags] = [guest.int(0), guest.int(1), guest.int(2)];
  const file = files.get(from);
  if (from === to || flags & ~O_CLOEXEC) return -EINVAL;
  if (file === null) return -EBADF;
  file.get();
  const fd = yield* files.doDup2(to, file);
  if (fd < 0) yield* file.put();
  else files.setCloseOnExec(fd, (flags & O_CLOEXEC) !== 0);
  return fd;
}

function* unlinkat(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, guest.int(0), guest.u(1));
  if (typeof path === 'number') return path;
  const { machine, owner } = guest.process;
  if (guest.int(2) & AT_REMOVEDIR) return machine.vfs.rmdir(path, owner);
  return yield* machineCall(guest, 'unlink', path);
}

function* mkdirat(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, guest.int(0), guest.u(1), { creates: true });
  return typeof path === 'number' ? path : guest.process.machine.vfs.mkdir(path, guest.process.owner);
}

/** Linux: part of fs/namespace.c:do_new_mount() */
function* mount(guest: GuestThread): Coroutine<number> {
  const { process, host } = guest;
  const type = yield* mountString(guest, 2);
  if (typeof type === 'number') return type;
  const source = yield* mountString(guest, 0);
  if (typeof source === 'number') return source;
  const options = yield* mountString(guest, 4);
  if (typeof options === 'number') return options;
  const path = yield* readPath(guest, AT_FDCWD, guest.u(1));
  if (typeof path === 'number') return path;
  const { vfs } = process.machine;
  if (!vfs.exists(path, process.owner)) return -ENOENT;
  if (type === null) return -EINVAL;
  const isKnown = type === 'tmpfs' && (guest.u(3) & ~HARMLESS_MOUNT_FLAGS) === 0;
  if (!isKnown) host.unsupported(`mount of type '${type}' with flags ${guest.u(3)}`);
  if (type !== 'tmpfs') return -ENODEV;
  return isKnown ? vfs.mountTmpfs(path, process.owner, options ?? '') : -EINVAL;
}

function* mountString(guest: GuestThread, arg: number): Coroutine<string | null | number> {
  const text = guest.u(arg) === 0 ? null : yield* strncpyFromUser(guest.mm, guest.u(arg));
  return text === -ENAMETOOLONG ? -EINVAL : text;
}

function* umount2(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, AT_FDCWD, guest.u(0));
  if (typeof path === 'number') return path;
  return guest.int(1) === 0 ? yield* guest.process.machine.vfs.umount(path, guest.process.owner) : -EINVAL;
}

function* renameat2(guest: GuestThread): Coroutine<number> {
  const from = yield* readPath(guest, guest.int(0), guest.u(1));
  if (typeof from === 'number') return from;
  const to = yield* readPath(guest, guest.int(2), guest.u(3));
  if (typeof to === 'number') return to;
  if (guest.int(4) !== 0) return -EINVAL;
  return yield* guest.process.machine.vfs.rename(from, to);
}

/** Linux: fs/open.c:fallocate(), vfs_fallocate() */
function* fallocate(guest: GuestThread): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  const [mode, offset, len] = [guest.int(1), guest.s(2), guest.s(3)];
  if (file === null) return -EBADF;
  if (offset < 0 || len <= 0) return -EINVAL;
  if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) || mode === FALLOC_FL_PUNCH_HOLE) return -EOPNOTSUPP;
  if (!file.isWritable) return -EBADF;
  // The sum is exact to 1,024 bytes there.
  if (offset + len >= MAX_FILE_BYTES) return -EFBIG;
  file.get();
  const result = yield* file.fallocate({ mode, offset, len });
  yield* file.put();
  return result;
}

/** Linux: mm/fadvise.c:generic_fadvise() */
function* genericFadvise(guest: GuestThread): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  if (file instanceof PipeEnd) return -ESPIPE;
  return guest.s(2) < 0 || guest.int(3) < 0 || guest.int(3) > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

function* chdir(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, -100, guest.u(0));
  if (typeof path === 'number') return path;
  const { machine, owner } = guest.process;
  if (!machine.vfs.isDirectory(path, owner)) return machine.vfs.exists(path, owner) ? -ENOTDIR : -ENOENT;
  guest.process.image!.cwd = path;
  return 0;
}

function* pipe2(guest: GuestThread): Coroutine<number> {
  const { files, machine } = guest.process;
  if (guest.int(1) & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const { reader, writer } = createPipe(machine, guest.int(1));
  const ends: [OpenFile, OpenFile] = [reader, writer];
  const fds: number[] = [];
  for (const end of ends) {
    const fd = files.install(end);
    if (fd < 0) {
      yield* end.put();
      if (fds.length > 0) yield* files.close(fds[0]!);
      else yield* writer.put();
      return fd;
    }
    files.setCloseOnExec(fd, (guest.int(1) & O_CLOEXEC) !== 0);
    fds.push(fd);
  }
  return yield* writeUser(guest.mm, guest.u(0), words32(...fds));
}

/** Linux: fs/readdir.c; records of struct linux_dirent64. */
function* getdents64(guest: GuestThread): Coroutine<number> {
  const file = guest.process.files.get(guest.int(0));
  if (file === null) return -EBADF;
  if (!(file instanceof DirectoryFile)) return -ENOTDIR;
  const out = new Uint8Array(Math.min(guest.u(2), 65536));
  const view = new DataView(out.buffer);
  const all: DirectoryEntry[] = [{ name: '.', isDirectory: true }, { name: '..', isDirectory: true }, ...file.entries];
  let at = 0;
  let position = file.position;
  for (; position < all.length; position++) {
    const { name, isDirectory, isLink } = all[position]!;
    const bytes = new TextEncoder().encode(name);
    const length = Math.ceil((19 + bytes.length + 1) / 8) * 8;
    if (at + length > out.length) break;
    view.setUint32(at, position + 1, true);
    view.setUint32(at + 8, position + 1, true);
    view.setUint16(at + 16, length, true);
    out[at + 18] = isDirectory ? DT_DIR : isLink ? DT_LNK : DT_REG;
    out.set(bytes, at + 19);
    at += length;
  }
  if (at === 0 && position < all.length) return -EINVAL;
  const error = yield* writeUser(guest.mm, guest.u(1), out.subarray(0, at));
  if (error === 0) file.position = position;
  return error || at;
}

function* readlinkat(guest: GuestThread): Coroutine<number> {
  const path = yield* readPath(guest, guest.int(0), guest.u(1));
  if (typeof path === 'number') return path;
  const link = procLink(guest.thread, path);
  if (link === null) return guest.process.machine.vfs.exists(path, guest.process.owner) ? -EINVAL : -ENOENT;
  if (guest.int(3) <= 0) return -EINVAL;
  const bytes = new TextEncoder().encode(link).subarray(0, guest.u(3));
  return (yield* writeUser(guest.mm, guest.u(2), bytes)) || bytes.length;
}

function* closeRange(guest: GuestThread): Coroutine<number> {
  const { files, machine } = guest.process;
  const last = Math.min(guest.u(1) % 2 ** 32, machine.options.maxFiles - 1);
  if (guest.int(2) !== 0 || guest.u(0) > guest.u(1)) return -EINVAL;
  for (let fd = guest.u(0); fd <= last; fd++) if (files.get(fd) !== null) yield* files.close(fd);
  return 0;
}
