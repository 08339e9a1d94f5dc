/**
 * The real kernel would have crashed here. It ends the machine's run: the task dies with all that it holds in Linux, and everything that
 * needs that afterwards hangs.
 */
export class KernelOops extends Error {
  override readonly name = 'KernelOops';

  constructor(
    /** What happened, one sentence. */
    readonly report: string,
    /** The page of the process that was worked on. */
    readonly addr: number,
    /** The frame that it is about. */
    readonly pfn: number,
  ) {
    super(`${report} (address 0x${addr.toString(16)}, pfn ${pfn})`);
  }
}
