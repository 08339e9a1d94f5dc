import { EISDIR } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
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
