import type { Coroutine, SleepEffect } from '../../core/effect.js';
import type { WaitQueue } from '../../core/wait-queue.js';
import { signalPending } from './program-signals.js';
import type { Thread } from './thread.js';

/** Why a wait ended: somebody woke the queue, the deadline, or a signal (a fatal one too). */
export type WaitEnd = 'woken' | 'timeout' | 'signal';

/** A thread must go to its program now. */
export function isInterrupted(thread: Thread): boolean {
  return thread.task.killed || signalPending(thread);
}

/**
 * Sleeps until `queue` is woken, a signal comes or virtual time reaches `deadline` (null: never). A waiter tests its own
 * condition first, whatever the answer. Linux: include/linux/wait.h:wait_event_interruptible_timeout()
 */
export function* waitEventInterruptibleTimeout(
  thread: Thread,
  queue: WaitQueue,
  deadline: number | null,
): Coroutine<WaitEnd> {
  if (isInterrupted(thread)) return 'signal';
  const { scheduler } = thread.task;
  let isLate = deadline !== null && deadline <= scheduler.now();
  if (isLate) return 'timeout';
  const timer =
    deadline === null
      ? null
      : scheduler.addTimer(deadline, () => {
          isLate = true;
          if (thread.task.waitingOn === queue) scheduler.interrupt(thread.task);
        });
  thread.task.isInterruptible = true;
  yield queue;
  thread.task.isInterruptible = false;
  if (timer !== null) scheduler.cancelTimer(timer);
  if (isLate) return 'timeout';
  return isInterrupted(thread) ? 'signal' : 'woken';
}

/** Sleeps until `deadline`; false when a signal came first. */
export function* sleepUntil(thread: Thread, deadline: number): Coroutine<boolean> {
  const { scheduler } = thread.task;
  while (scheduler.now() < deadline) {
    if (isInterrupted(thread)) return false;
    const effect: SleepEffect = { kind: 'sleep', ticks: deadline - scheduler.now() };
    thread.task.isInterruptible = true;
    yield effect;
    thread.task.isInterruptible = false;
  }
  return true;
}
