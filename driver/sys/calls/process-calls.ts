import { EAGAIN, EINTR } from '../../../uapi/errno.js';
import { exitStatus } from '../../../uapi/signal.js';
import type { Coroutine } from '../../core/effect.js';
import { copyProcess } from '../processes/fork.js';
import { type Disposition, doSigaction, killSomethingInfo } from '../processes/send-signal.js';
import type { Thread } from '../processes/thread.js';
import { doWait } from '../processes/wait.js';
import type { SyscallTable } from './syscall.js';

/** Processes, threads and signals. */
export const processCalls: SyscallTable = {
  fork: {
    args: '',
    run: (thread) => fork(thread),
    spawns: true,
    note: 'pid of the child, whose one thread has the same number',
  },
  thread: {
    args: '',
    run: (thread) => newThread(thread),
    spawns: true,
    note: 'tid of a new thread of the same process',
  },
  exit: {
    args: '?n',
    run: (thread, [status]) => exit(thread, status as number | undefined),
    note: 'ends the whole process',
  },
  kill: {
    args: 'nn',
    *run(thread, [pid, signo]) {
      return killSomethingInfo(thread.process, pid as number, signo as number);
    },
    note: '0, -EINVAL, -ESRCH',
  },
  wait: {
    args: '?n',
    run: (thread, [pid = -1]) => doWait(thread, { pid: pid as number }),
    note: 'pid and status of a child',
  },
  sigaction: {
    args: 'ns',
    *run(thread, [signo, disposition]) {
      return doSigaction(thread.process, signo as number, disposition as Disposition);
    },
    note: "'catch' or 'default'; 0 or -EINVAL",
  },
};

function* fork(thread: Thread): Coroutine<number> {
  const child = yield* copyProcess(thread);
  return typeof child === 'number' ? child : child.pid;
}

/** A process that is on its way out gets no new thread, which nobody would end. Linux: part of kernel/fork.c:copy_process() */
function* newThread(thread: Thread): Coroutine<number> {
  const { machine } = thread.process;
  if (thread.task.killed) return -EINTR;
  if (!machine.hasRoomFor(thread.process.owner)) return -EAGAIN;
  const added = thread.process.addThread(machine.newPid());
  added.inherit(thread);
  return added.tid;
}

function* exit(thread: Thread, status = 0): Coroutine<number> {
  thread.process.doGroupExit(exitStatus(status));
  return 0;
}
