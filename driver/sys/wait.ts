import type { CallResult } from '../../uapi/client/transport.js';
import { ECHILD, EINTR } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import { isInterrupted, waitInterruptible } from './interruptible.js';
import type { Process } from './process.js';
import type { Thread } from './thread.js';

/** Which children, and how. */
export interface WaitRequest {
  /** A child's pid; -1 any; 0 of the caller's group; else minus a group. */
  readonly pid: number;
  /** Answer 0 when none has died. Linux: WNOHANG */
  readonly noHang?: boolean;
  /** The child stays a zombie. Linux: WNOWAIT */
  readonly keep?: boolean;
}

/** wait4(2) for one child, or for any with pid -1; sleeps until one has died. Linux: kernel/exit.c:do_wait() */
export function* waitForChild(thread: Thread, request: WaitRequest): Coroutine<CallResult> {
  const { process } = thread;
  thread.isInterrupted = false;
  for (;;) {
    const candidates = process.children.filter((child) => isMeant(process, child, request.pid));
    if (candidates.length === 0) return { ret: -ECHILD };
    const dead = candidates.find((child) => child.state === 'zombie');
    if (dead !== undefined) return reaped(dead, request.keep ?? false);
    if (request.noHang) return { ret: 0 };
    if (isInterrupted(thread) || thread.isInterrupted) return { ret: -EINTR };
    yield* waitInterruptible(thread, process.childEvents, null);
  }
}

function isMeant(process: Process, child: Process, pid: number): boolean {
  if (pid > 0) return child.pid === pid;
  if (pid === -1) return true;
  return child.pgid === (pid === 0 ? process.pgid : -pid);
}

function reaped(child: Process, keep: boolean): CallResult {
  const status = child.exitStatus ?? 0;
  if (!keep) child.reap();
  return { ret: child.pid, status };
}
