import type { CallResult } from '../../uapi/client/transport.js';
import { ECHILD, EINTR } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import type { Process } from './process.js';
import type { Thread } from './thread.js';

/** wait4(2) for one child, or for any with pid -1; sleeps until one has died. Linux: kernel/exit.c:do_wait() */
export function* waitForChild(thread: Thread, pid: number): Coroutine<CallResult> {
  const { process } = thread;
  thread.isInterrupted = false;
  for (;;) {
    const candidates = process.children.filter((child) => pid === -1 || child.pid === pid);
    if (candidates.length === 0) return { ret: -ECHILD };
    const dead = candidates.find((child) => child.state === 'zombie');
    if (dead !== undefined) return reaped(dead);
    if (thread.task.killed || thread.isInterrupted) return { ret: -EINTR };
    yield process.childEvents;
  }
}

function reaped(child: Process): CallResult {
  const status = child.exitStatus ?? 0;
  child.reap();
  return { ret: child.pid, status };
}
