import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import type { Thread } from './thread.js';

/**
 * The running thread ends; with the last one the process does. The order matters: the end of the address space tells
 * the mirrors first, then the files are closed, then what still waits for its last put goes. Linux: kernel/exit.c:do_exit()
 */
export function* doExit(thread: Thread): Coroutine<void> {
  const { process } = thread;
  const { machine } = process;
  assert(
    process.exitStatus !== null || process.threads.length > 1,
    'thread %, the last one, ends without a status',
    thread.tid,
  );
  if (process.exitStatus === null && thread.signals !== null) process.signals?.jobs.taskParticipateGroupStop(thread);
  process.threads.splice(process.threads.indexOf(thread), 1);
  thread.isDead = true;
  machine.forgetThread(thread);
  // Whoever polls a pidfd of it.
  machine.pollers.wakeAll();
  if (process.threads.length > 0) return;
  process.image?.cancelTimers();
  yield* mmput(process.mm);
  yield* process.files.exitFiles();
  yield* machine.taskWorkRun(thread.task);
  process.exitNotify();
}
