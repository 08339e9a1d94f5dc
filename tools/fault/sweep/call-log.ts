import { assert } from '../../../driver/core/assert.js';
import type { CallResult } from '../../../index.js';

type Event =
  | { readonly kind: 'process'; readonly pid: number }
  | { readonly kind: 'issue'; readonly tid: number; readonly name: string }
  /** `issue` is the number of its event. */
  | { readonly kind: 'done'; readonly issue: number; readonly result: CallResult };

/**
 * What a case has asked of its machines, and what it was answered, in order. A case does the same again when it gets the
 * same answers; so with a log, and a snapshot of the machines where the log ends, it can be brought to that place without any
 * work of theirs. That place is a call which is issued while all machines are at rest: they are numbered from 0.
 */
export class CallLog {
  private readonly events: Event[] = [];
  private at = 0;
  private readonly waiting = new Map<number, (result: CallResult) => void>();
  private isScheduled = false;
  /** Number of the next call that is issued at rest. */
  private rests = 0;
  private parkAt = -1;
  private onParked: (() => void) | null = null;
  isParked = false;
  /** Told each number, when nothing of the call has happened yet. */
  onRest: ((rest: number) => void) | null = null;

  /** A log that repeats this one and is then written on. */
  copy(): CallLog {
    const log = new CallLog();
    log.events.push(...this.events);
    log.rests = this.rests;
    return log;
  }

  get isReplaying(): boolean {
    return this.at < this.events.length;
  }

  /** Resolves when the case issues call `rest` at rest; neither that call nor any later one is begun. */
  park(rest: number): Promise<void> {
    this.parkAt = rest;
    return new Promise((resolve) => {
      this.onParked = resolve;
    });
  }

  /** A call is about to begin while all machines are at rest. */
  rest(): void {
    if (this.rests === this.parkAt) {
      this.isParked = true;
      this.onParked?.();
      return;
    }
    this.onRest?.(this.rests);
    this.rests++;
  }

  process(pid: number): void {
    this.add({ kind: 'process', pid });
  }

  /** Answers a number for `done`. */
  issue(tid: number, name: string): number {
    return this.add({ kind: 'issue', tid, name });
  }

  done(issue: number, result: CallResult): void {
    this.add({ kind: 'done', issue, result });
  }

  replayProcess(): number {
    const event = this.events[this.at++]!;
    assert(event.kind === 'process', `a case makes a process, before it did: ${event.kind}`);
    return event.pid;
  }

  replayCall(tid: number, name: string): Promise<CallResult> {
    const issue = this.at++;
    const event = this.events[issue]!;
    const isSame = event.kind === 'issue' && event.tid === tid && event.name === name;
    assert(isSame, `a case calls ${name}, before it did: ${event.kind}`);
    if (!this.isScheduled) {
      this.isScheduled = true;
      queueMicrotask(() => this.answer());
    }
    return new Promise((resolve) => this.waiting.set(issue, resolve));
  }

  /** Calls that ended before the case did anything else end now, as one run of the machine ended them. */
  private answer(): void {
    this.isScheduled = false;
    for (let event = this.events[this.at]; event?.kind === 'done'; event = this.events[++this.at])
      this.waiting.get(event.issue)!(event.result);
  }

  private add(event: Event): number {
    this.at = this.events.push(event);
    return this.at - 1;
  }
}
