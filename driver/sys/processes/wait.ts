import { ECHILD, EINTR } from '../../../uapi/errno.js';
import { CONTINUED_STATUS, SIGCHLD, stoppedStatus } from '../../../uapi/signal.js';
import type { CallResult } from '../../../uapi/system-call.js';
import type { Coroutine } from '../../core/effect.js';
import { Access } from '../../core/observer.js';
import { isInterrupted, waitEventInterruptibleTimeout } from './interruptible.js';
import type { Process } from './process.js';
import type { Thread } from './thread.js';

/** Which children, and what of them. */
export interface WaitRequest {
  /** A child's pid; -1 any; 0 of the caller's group; else minus a group. */
  readonly pid: number;
  /** Answer 0 when there is nothing yet. Linux: WNOHANG */
  readonly noHang?: boolean;
  /** What is told stays to be told again. Linux: WNOWAIT */
  readonly keep?: boolean;
  /** Ends of children; true when left out. Linux: WEXITED */
  readonly exited?: boolean;
  /** Linux: WUNTRACED, WSTOPPED */
  readonly stopped?: boolean;
  /** Linux: WCONTINUED */
  readonly continued?: boolean;
  /** By the signal at their end: SIGCHLD when left out, `other` Linux: __WCLONE, `any` Linux: __WALL */
  readonly kind?: 'other' | 'any';
}

/** The pid of a child and its wait(2) status; sleeps until there is something to tell. Linux: kernel/exit.c:do_wait() */
export function* doWait(thread: Thread, request: WaitRequest): Coroutine<CallResult> {
  const { process } = thread;
  thread.isInterrupted = false;
  for (;;) {
    process.machine.touchProcesses(Access.write);
    const candidates = process.children.filter((child) => eligibleChild(process, child, request));
    if (candidates.length === 0) return { ret: -ECHILD };
    for (const child of candidates) {
      const status = waitConsiderTask(child, request);
      if (status !== null) return { ret: child.pid, status };
    }
    if (request.noHang) return { ret: 0 };
    if (isInterrupted(thread) || thread.isInterrupted) return { ret: -EINTR };
    yield* waitEventInterruptibleTimeout(thread, process.childEvents, null);
  }
}

/** Linux: kernel/exit.c:eligible_child() */
function eligibleChild(process: Process, child: Process, { pid, kind }: WaitRequest): boolean {
  if (kind !== 'any' && (child.exitSignal !== SIGCHLD) !== (kind === 'other')) return false;
  if (pid > 0) return child.pid === pid;
  if (pid === -1) return true;
  return child.pgid === (pid === 0 ? process.pgid : -pid);
}

/** The status that there is to tell of a child, which is then told; null: none. Linux: kernel/exit.c:wait_consider_task() */
function waitConsiderTask(child: Process, request: WaitRequest): number | null {
  const { exited = true, stopped = false, continued = false, keep = false } = request;
  if (child.state === 'zombie' && exited) {
    if (!keep) child.releaseTask();
    return child.exitStatus ?? 0;
  }
  const jobs = child.signals?.jobs;
  if (jobs === undefined) return null;
  if (stopped && jobs.isStopped && jobs.unreportedStop !== 0) {
    const status = stoppedStatus(jobs.unreportedStop);
    if (!keep) jobs.unreportedStop = 0;
    return status;
  }
  if (!continued || !jobs.isContinued) return null;
  if (!keep) jobs.isContinued = false;
  return CONTINUED_STATUS;
}
