const PAGE_SIZE = 4096;

/** What a task is doing, as far as rules ask for it. One a task; made anew for each system call. */
export class InjectContext {
  phase = 0;
  /** The page that is worked on now. */
  at = -1;
  /** Of the ioctl, `cpu-fault` while a driver serves a CPU's access, else the system call's name. */
  command: string;
  fd = -1;
  device = -1;
  /** Id of the open device file on whose behalf the task works, -1 without. */
  file = -1;
  dialect = '';
  start = 0;
  /** What ends with the call: references that were taken by a fault. */
  readonly atEnd: (() => void)[] = [];

  constructor(
    readonly pid: number,
    readonly tid: number,
    readonly call: string,
  ) {
    this.command = call;
  }

  begins(addr: number): void {
    this.start = addr;
    this.at = addr;
  }

  /** Which page of the call is worked on, -1 when it is none of them. */
  get page(): number {
    return this.at >= this.start && this.start > 0 ? Math.floor((this.at - this.start) / PAGE_SIZE) : -1;
  }
}
