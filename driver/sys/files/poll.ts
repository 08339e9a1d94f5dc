import { EINTR } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import type { Thread } from '../processes/thread.js';
import { POLL } from './open-file.js';

/** One descriptor of poll(2); `revents` is filled in. */
export interface PollEntry {
  readonly fd: number;
  readonly events: number;
  revents: number;
}

/** How many descriptors have something to report; -EINTR. `deadline` null waits for ever. Linux: fs/select.c:do_poll() */
export function* doPoll(thread: Thread, entries: readonly PollEntry[], deadline: number | null): Coroutine<number> {
  for (;;) {
    const ready = look(thread, entries);
    if (ready > 0) return ready;
    const end = yield* waitEventInterruptibleTimeout(thread, thread.process.machine.pollers, deadline);
    if (end === 'timeout') return look(thread, entries);
    if (end === 'signal') return look(thread, entries) || -EINTR;
  }
}

function look(thread: Thread, entries: readonly PollEntry[]): number {
  let ready = 0;
  for (const entry of entries) {
    entry.revents = 0;
    if (entry.fd < 0) continue;
    const file = thread.process.files.get(entry.fd);
    entry.revents = file === null ? POLL.nval : file.poll() & (entry.events | POLL.err | POLL.hup);
    if (entry.revents !== 0) ready++;
  }
  return ready;
}
