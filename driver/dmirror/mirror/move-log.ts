/**
 * When pages last moved to or from a device, by whom. Migrations of a device send events that its own files pass over
 * (`DmirrorFile.invalidate`), so the notifier's sequence does not tell a file that somebody else moves what it has just
 * looked at; this does. Entries of moving pages are migration entries while it is written, so whoever looks afterwards
 * waits until they have arrived.
 */
export class MoveLog {
  /** Q20: it is never read. */
  isIgnored = false;
  private count = 0;
  private lastTask = 0;
  /** The last move by any task other than `lastTask`. */
  private lastByOthers = 0;

  note(task: number): void {
    if (task !== this.lastTask) this.lastByOthers = this.count;
    this.lastTask = task;
    this.count++;
  }

  /** A number that changes when a task other than `task` moves pages; what `task` itself moves it looks at again anyway. */
  latestByOthers(task: number): number {
    if (this.isIgnored) return 0;
    return task === this.lastTask ? this.lastByOthers : this.count;
  }

  reset(): void {
    this.count = 0;
    this.lastTask = 0;
    this.lastByOthers = 0;
  }
}
