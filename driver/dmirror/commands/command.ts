import { ENOMEM } from '../../../uapi/errno.js';
import type { Kernel } from '../../core/kernel.js';
import type { Mm } from '../../mm/vmas/mm.js';
import type { DmirrorContext } from '../context.js';
import type { DmirrorFile } from '../file.js';

/** A checked record while its command runs: the inputs, and the two counters that go back to the caller on success. */
export interface Command {
  readonly context: DmirrorContext;
  readonly file: DmirrorFile;
  /** Whose memory `ptr` points into. Addresses are of `file.mm`, which may be another's. */
  readonly callerMm: Mm;
  readonly addr: number;
  readonly end: number;
  readonly ptr: number;
  readonly npages: number;
  cpages: number;
  faults: number;
}

/** For who draws what a command does: work on the chunk at `addr` begins or ends. */
export function traceChunk(kernel: Kernel, addr: number, phase: 'begin' | 'end', ret = 0): void {
  if (kernel.trace.verbose) kernel.emit('span', { span: 'chunk', name: `0x${addr.toString(16)}`, phase, ret });
}

/** A kernel buffer of `command.npages` pages, or -ENOMEM when the machine has not that much left. Linux: lib/test_hmm.c:dmirror_bounce_init() */
export function dmirrorBounceInit({ context, npages }: Command): Uint8Array | number {
  return context.bounce.take(npages) ?? -ENOMEM;
}
