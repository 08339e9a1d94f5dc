/**
 * The real driver would have crashed the kernel here. It ends the machine's run: the task dies inside the device's mutex
 * in Linux, and everything that needs it afterwards hangs.
 */
export class KernelOops extends Error {
  override readonly name = 'KernelOops';

  constructor(
    /** What happened, one sentence. */
    readonly report: string,
    /** The page of the process the device worked on. */
    readonly addr: number,
    /** The frame whose memory does not exist. */
    readonly pfn: number,
  ) {
    super(`${report} (address 0x${addr.toString(16)}, pfn ${pfn})`);
  }
}
