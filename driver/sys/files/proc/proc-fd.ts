import type { Process } from '../../processes/process.js';
import type { Thread } from '../../processes/thread.js';
import type { DirectoryEntry } from '../directories.js';
import type { OpenFile } from '../open-file.js';

export const PROC_FD = '/proc/self/fd';

/** A file of another process in /proc, as that process would see it as its own; null: the path is none. Linux: fs/proc/base.c:proc_pid_lookup() */
export function procPidLookup({ process: own }: Thread, path: string): { thread: Thread; path: string } | null {
  const match = /^\/proc\/(\d+)(\/.+)$/.exec(path);
  const process = match === null ? null : own.machine.process(Number(match[1]));
  if (process === null || process.owner !== own.owner || process.state !== 'running') return null;
  return { thread: process.main, path: `/proc/self${match![2]}` };
}

/** The open file that a link in /proc/PID/fd names; null: the path is none. Linux: fs/proc/fd.c:proc_fd_link() */
export function procFdLink(thread: Thread, path: string): OpenFile | null {
  const other = procPidLookup(thread, path);
  if (other !== null) return procFdLink(other.thread, other.path);
  const { process } = thread;
  const fd = /^\/proc\/self\/fd\/(0|[1-9]\d*)$/.exec(path)?.[1];
  return fd === undefined ? null : process.files.get(Number(fd));
}

/** The links. Linux: part of fs/proc/fd.c:proc_readfd_common() */
export function procFdEntries({ files }: Process): DirectoryEntry[] {
  return [...files.openFds()].map((fd) => ({ name: String(fd), isDirectory: false, isLink: true }));
}
