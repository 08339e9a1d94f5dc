import type { Timer } from '../../core/scheduler.js';
import type { Process } from './process.js';
import { sendSignal } from './send-signal.js';
import { SI_KERNEL } from './signal-info.js';

/** One of the interval timers of a process; times in virtual microseconds. */
interface IntervalTimer {
  timer: Timer | null;
  intervalTicks: number;
}

/** What setitimer(2) reads and writes. */
export interface TimerSetting {
  /** Until it fires; 0: it does not. */
  readonly valueTicks: number;
  /** From then on; 0: once. */
  readonly intervalTicks: number;
}

/** Longest name of a process. Linux: TASK_COMM_LEN, with the 0 behind it */
export const COMM_LEN = 15;

/** Where a program lies in its address space. Linux: the fields of mm_struct that execve(2) fills */
export interface ImageLayout {
  /** Absolute path of the program. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly startBrk: number;
  readonly stackStart: number;
  readonly stackEnd: number;
}

/** A running program as the kernel knows it: its layout and its timers. */
export class ProgramImage {
  /** Shown in /proc/self/status; prctl(2) and /proc/self/comm change it. */
  comm: string;
  /** Where relative paths begin. */
  cwd = '/tmp';
  private timers: (IntervalTimer | undefined)[] = [];

  constructor(
    readonly process: Process,
    readonly layout: ImageLayout,
    /** End of the heap, which belongs to the address space. Linux: mm_struct.brk */
    private readonly heap = { end: layout.startBrk },
  ) {
    this.comm = layout.path.slice(layout.path.lastIndexOf('/') + 1).slice(0, COMM_LEN);
  }

  get brk(): number {
    return this.heap.end;
  }

  /** brk(2) moves it, for every process with this address space. */
  set brk(end: number) {
    this.heap.end = end;
  }

  /** A child: the same layout, no timers. */
  duplicate(process: Process, sharesMemory: boolean): ProgramImage {
    const copy = new ProgramImage(process, this.layout, sharesMemory ? this.heap : { ...this.heap });
    copy.comm = this.comm;
    copy.cwd = this.cwd;
    return copy;
  }

  /** execve(2): timers run on, and paths begin where they did. */
  succeed(old: ProgramImage): void {
    this.timers = old.timers;
    this.cwd = old.cwd;
  }

  /** What timer `which` is set to; the rest of the time, as long as it runs. Linux: kernel/time/itimer.c:do_getitimer() */
  doGetitimer(which: number): TimerSetting {
    const { clock } = this.process.machine.kernel.scheduler;
    const found = this.timers[which];
    if (found === undefined || found.timer === null) return { valueTicks: 0, intervalTicks: found?.intervalTicks ?? 0 };
    const left = Math.max(1, found.timer.atTick - clock.nowTicks);
    return { valueTicks: left, intervalTicks: found.intervalTicks };
  }

  /** `signo` comes when it fires. Linux: kernel/time/itimer.c:do_setitimer() */
  doSetitimer(which: number, signo: number, { valueTicks, intervalTicks }: TimerSetting): void {
    const { scheduler } = this.process.machine.kernel;
    const old = this.timers[which]?.timer;
    if (old) scheduler.cancelTimer(old);
    const entry: IntervalTimer = { timer: null, intervalTicks };
    this.timers[which] = entry;
    const arm = (ticks: number): void => {
      entry.timer = scheduler.addTimer(scheduler.clock.nowTicks + ticks, () => {
        entry.timer = null;
        if (intervalTicks > 0) arm(intervalTicks);
        sendSignal(this.process, signo, { signo, code: SI_KERNEL });
      });
    };
    if (valueTicks > 0) arm(valueTicks);
  }

  /** The process ends: nothing more fires. */
  cancelTimers(): void {
    for (const entry of this.timers.splice(0)) {
      if (entry?.timer) this.process.machine.kernel.scheduler.cancelTimer(entry.timer);
    }
  }
}
