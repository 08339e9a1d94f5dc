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

  constructor(
    what: string,
    readonly seed: number,
    readonly recent: readonly TraceEvent[],
    options: { cause?: unknown; blocked?: readonly BlockedTask[] } = {},
  ) {
    super(`${what}\nseed ${seed}${blockedText(options.blocked ?? [])}${recentText(recent)}`, { cause: options.cause });
  }
}

function blockedText(blocked: readonly BlockedTask[]): string {
  return blocked
    .map(({ task, waitsFor, ownedBy, holds }) => {
      const owner = ownedBy === null ? '' : ` owned by ${ownedBy}`;
      return `\ntask ${task} waits for ${waitsFor}${owner}, holds ${holds.join(', ') || 'nothing'}`;
    })
    .join('');
}

function recentText(recent: readonly TraceEvent[]): string {
  const lines = recent.slice(-SHOWN_EVENTS).map((event) => `\n  ${eventLine(event)}`);
  return lines.length === 0 ? '' : `\nlast events:${lines.join('')}`;
}
