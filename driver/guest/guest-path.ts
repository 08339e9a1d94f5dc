import { EBADF, ENOENT, ENOTDIR } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import { DirectoryFile } from '../sys/files/directories.js';
import type { Process } from '../sys/processes/process.js';
import { strncpyFromUser } from '../sys/processes/user-memory.js';
import type { GuestThread } from './guest-thread.js';

export const AT_FDCWD = -100;

/** The absolute path that a directory descriptor and a user string mean; -ENOENT, -EBADF, -ENOTDIR, -EFAULT. What `creates` a directory may find a file there. */
export function* readPath(
  guest: GuestThread,
  dirfd: number,
  addr: number,
  { creates = false } = {},
): Coroutine<string | number> {
  const text = yield* strncpyFromUser(guest.mm, addr);
  if (typeof text === 'number') return text;
  return text === '' ? -ENOENT : resolvePath(guest, dirfd, creates ? text.replace(/\/+$/, '') || '/' : text);
}

export function resolvePath({ process, thread }: GuestThread, dirfd: number, text: string): string | number {
  let base = '';
  if (!text.startsWith('/')) {
    if (dirfd === AT_FDCWD) base = process.image!.cwd;
    else {
      const directory = process.files.get(dirfd);
      if (directory === null) return -EBADF;
      if (!(directory instanceof DirectoryFile)) return -ENOTDIR;
      base = directory.path;
    }
  }
  const path = ownProc(normalize(`${base}/${text}`), [process.pid, thread.tid]);
  return /\/\.?$/.test(text) && isFile(process, path) ? -ENOTDIR : path;
}

function isFile({ machine: { vfs }, owner }: Process, path: string): boolean {
  return vfs.exists(path, owner) && !vfs.isDirectory(path, owner);
}

function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** A process knows only its own directory in /proc, by its names. */
function ownProc(path: string, own: readonly number[]): string {
  const match = /^\/proc\/(thread-self|\d+)(\/.*)?$/.exec(path);
  if (match === null || (match[1] !== 'thread-self' && !own.includes(Number(match[1])))) return path;
  return `/proc/self${(match[2] ?? '').replace(/^\/task\/\d+/, '')}`;
}
