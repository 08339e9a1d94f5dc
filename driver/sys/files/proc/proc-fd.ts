import type { Process } from '../../processes/process.js';
import type { Thread } from '../../processes/thread.js';
import type { DirectoryEntry } from '../directories.js';
import type { OpenFile } from '../open-file.js';

export const PROC_FD = '/proc/self/fd';

/** The open file that a link in /proc/self/fd names; null: the path is none. Linux: fs/proc/fd.c:proc_fd_link() */
export function procFdLink({ process }: Thread, path: string): OpenFile | null {
  const fd = /^\/proc\/self\/fd\/(0|[1-9]\d*)$/.exec(path)?.[1];
  return fd === undefined ? null : process.files.get(Number(fd));
}

/** The links. Linux: part of fs/proc/fd.c:proc_readfd_common() */
export function procFdEntries({ files }: Process): DirectoryEntry[] {
  return [...files.openFds()].map((fd) => ({ name: String(fd), isDirectory: false, isLink: true }));
}
