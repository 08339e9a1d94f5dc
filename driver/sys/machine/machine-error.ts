import type { BlockedTask } from '../../core/scheduler.js';
import type { TraceEvent } from '../../core/trace.js';

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

/** Who waits for what, who has it, and what each holds: a line a task, each behind a line break. */
export function blockedText(blocked: readonly BlockedTask[]): string {
  return blocked
    .map(({ task, waitsFor, ownedBy, holds }) => {
      const owner = ownedBy === null ? '' : ` owned by ${ownedBy}`;
      return `\ntask ${task} waits for ${waitsFor}${owner}, holds ${holds.join(', ') || 'nothing'}`;
    })
    .join('');
}

function recentText(recent: readonly TraceEvent[]): string {
  const lines = recent.slice(-SHOWN_EVENTS).map(({ tick, task, kind, detail, a, b }) => {
    return `\n  ${tick} task ${task} ${kind} ${detail} 0x${a.toString(16)} 0x${b.toString(16)}`;
  });
  return lines.length === 0 ? '' : `\nlast events:${lines.join('')}`;
}
