import type { BlockedTask } from '../../core/scheduler.js';
import type { TraceEvent } from '../../trace/trace-event.js';
import { eventLine } from '../../trace/trace-text.js';

const SHOWN_EVENTS = 20;

/**
 * A run that can't go on: a bug of ours (an assertion), a deadlock, too many steps, or an emulated oops. Never an errno.
 * Carries what repeats it. The machine can only be reset or thrown away.
 */
export class MachineError extends Error {
  override readonly name = 'MachineError';
  /** What happened, in a line. */
  declare readonly summary: string;
  /** The last events, oldest first. */
  declare readonly recent: readonly TraceEvent[];
  /** Who waits for ever, where that is what happened. */
  declare readonly blocked: readonly BlockedTask[];

  constructor(
    what: string,
    readonly seed: number,
    recent: readonly TraceEvent[],
    { cause, waits = '', blocked = [] }: { cause?: unknown; waits?: string; blocked?: readonly BlockedTask[] } = {},
  ) {
    super(`${what}\nseed ${seed}${waits && `\n${waits}`}${recentText(recent)}`, cause === undefined ? {} : { cause });
    const summary = waits === '' ? what : `${what}: ${waits.replaceAll('\n', '; ')}`;
    Object.defineProperty(this, 'summary', { value: summary });
    // Not enumerable: whoever prints the error has seen the end of it.
    Object.defineProperty(this, 'recent', { value: recent });
    Object.defineProperty(this, 'blocked', { value: blocked });
  }
}

function recentText(recent: readonly TraceEvent[]): string {
  const lines = recent.slice(-SHOWN_EVENTS).map((event) => `\n  ${eventLine(event)}`);
  return lines.length === 0 ? '' : `\nlast events:${lines.join('')}`;
}
