import type { Coroutine } from '../../../core/effect.js';
import { type Mm, mmdrop, mmgrab } from '../../../mm/vmas/mm.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from '../open-file.js';

/** A file of /proc/PID about the address space that the process had when it was opened. Linux: fs/proc/base.c:proc_mem_open() */
export abstract class MmFile extends OpenFile {
  /** Who may read and write it. */
  protected abstract readonly mode: number;

  constructor(
    releases: ReleaseQueue,
    flags: number,
    protected readonly mm: Mm,
  ) {
    super(releases, flags);
    mmgrab(mm);
  }

  protected override get copiesAllOrNothing(): boolean {
    return true;
  }

  override *release(): Coroutine<void> {
    mmdrop(this.mm);
  }

  override stat(): FileStat {
    return { mode: S_IFREG | this.mode, size: 0, ino: 3, rdev: 0 };
  }
}
