/**
 * Virtual time in microseconds. Only the scheduler moves it: a little at each step, more where memory is
 * cleared or copied, and to the next timer when idle.
 */
export class Clock {
  nowTicks = 0;

  /** The date. Linux: kernel/time/timekeeping.c:ktime_get_real_seconds() */
  get ktimeGetRealSeconds(): number {
    return EPOCH_SECONDS + Math.floor(this.nowTicks / (1000 * TICKS_PER_MS));
  }
}

/** Microseconds in a millisecond of virtual time. */
export const TICKS_PER_MS = 1000;

/** 2024-01-01 00:00 UTC: the machine always starts then. */
export const EPOCH_SECONDS = 1_704_067_200;
