/**
 * Virtual time in microseconds. Only the scheduler moves it: a little at each step, more where memory is
 * cleared or copied, and to the next timer when idle.
 */
export class Clock {
  nowTicks = 0;
}

/** Microseconds in a millisecond of virtual time. */
export const TICKS_PER_MS = 1000;
