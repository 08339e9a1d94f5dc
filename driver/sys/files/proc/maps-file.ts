import type { Coroutine } from '../../../core/effect.js';
import { mmput } from '../../../mm/vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../../../mm/vmas/mm.js';
import type { Vma } from '../../../mm/vmas/vma.js';
import type { Thread } from '../../processes/thread.js';
import { type Seek, seqLseek } from '../llseek.js';
import type { ReleaseQueue } from '../open-file.js';
import { MmFile } from './mm-file.js';
import { SeqFile, type SeqRecord, textBytes } from './seq-file.js';

/** A record for each vma. An index is where the next vma began when the one before it was shown. Linux: fs/proc/task_mmu.c:m_start(), proc_get_vma() */
export class MapsFile extends MmFile {
  protected readonly mode = 0o444;
  private readonly seq = new SeqFile((index) => this.record(index));

  constructor(
    releases: ReleaseQueue,
    flags: number,
    mm: Mm,
    private readonly show: (vma: Vma) => string,
  ) {
    super(releases, flags, mm);
  }

  private record(addr: number): SeqRecord | null {
    const { mm } = this;
    // The process has ended, or runs another program.
    const vma = mm.users === 0 ? null : mm.findVma(addr);
    return vma && { text: this.show(vma), next: mm.findVma(vma.end)?.start ?? Infinity };
  }

  /** The address space is held still for it. */
  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    const { mm } = this;
    if (!mmgetNotZero(mm)) return textBytes(this.seq.read(lenBytes, offset));
    yield* mm.mmapLock.readLock();
    const bytes = textBytes(this.seq.read(lenBytes, offset));
    mm.mmapLock.readUnlock();
    yield* mmput(mm);
    return bytes;
  }

  protected override get copiesAllOrNothing(): boolean {
    return false;
  }

  override llseek(seek: Seek): number {
    return seqLseek(this, seek);
  }
}
