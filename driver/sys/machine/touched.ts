import { checkTouched } from '../../mm/invariants.js';
import type { Mm } from '../../mm/vmas/mm.js';

/** Ranges that ioctls worked on since the last check. */
export class TouchedRanges {
  private readonly mms: Mm[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  note(mm: Mm, start: number, end: number): void {
    this.mms.push(mm);
    this.starts.push(start);
    this.ends.push(end);
  }

  /** Checks them, as far as something is mapped there, and forgets them. No task may be in the kernel. */
  check(): void {
    for (let i = 0; i < this.mms.length; i++) {
      for (const vma of this.mms[i]!.vmas) {
        const start = Math.max(vma.start, this.starts[i]!);
        const end = Math.min(vma.end, this.ends[i]!);
        if (start < end) checkTouched(vma.mm, start, end);
      }
    }
    this.reset();
  }

  reset(): void {
    this.mms.length = 0;
    this.starts.length = 0;
    this.ends.length = 0;
  }
}
