/** Time to look before sleeping. A process that answers at once does so within this. */
export const DEFAULT_POLL_US = 50;

/** Waits that are let pass after the last of a row of vain looks. */
const MAX_SKIPS = 1023;

/**
 * Looks again and again at the sockets of this process for a moment, where something is due soon, before the process goes to sleep: to be
 * woken costs more than many a call. It looks only as long as that is of use: when the other side has no CPU of its own, or takes
 * longer, nothing comes meanwhile, and after each vain look twice as many waits are left alone, until a look pays again.
 */
export class BusyPoll {
  private readonly windowMs: number;
  private deadline = 0;
  private isLooking = false;
  private hasCome = false;
  /** Waits to let pass, and what that was set to last. */
  private skips = 0;
  private lastSkips = 0;
  private readonly look = () => this.again();

  /** 0 never looks. */
  constructor(windowUs: number) {
    this.windowMs = windowUs / 1000;
  }

  /** Something is due soon: it was asked for, or its like has just been answered. */
  expect(): void {
    if (this.isLooking) {
      this.deadline = performance.now() + this.windowMs;
      this.hasCome = false;
    } else if (this.skips > 0) this.skips--;
    else if (this.windowMs > 0) {
      this.deadline = performance.now() + this.windowMs;
      this.hasCome = false;
      this.isLooking = true;
      setImmediate(this.look);
    }
  }

  /** It has come; nothing more is due unless `expect` says so again. */
  arrived(): void {
    if (!this.isLooking) return;
    this.hasCome = true;
    this.lastSkips = 0;
    this.deadline = 0;
  }

  /** An immediate that waits keeps libuv from sleeping in its poll. */
  private again(): void {
    if (this.deadline > performance.now()) {
      setImmediate(this.look);
      return;
    }
    this.isLooking = false;
    if (this.hasCome) return;
    this.lastSkips = Math.min(MAX_SKIPS, 2 * this.lastSkips + 1);
    this.skips = this.lastSkips;
  }
}
