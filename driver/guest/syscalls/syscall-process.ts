import { EAGAIN, EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import { O_NONBLOCK } from '../../../uapi/fcntl.js';
import { CONTINUED_STATUS, exitStatus, SIGCHLD, SIGCONT, WEXITSTATUS, WIFSTOPPED } from '../../../uapi/signal.js';
import type { Coroutine } from '../../core/effect.js';
import { PidFile } from '../../sys/files/pid-file.js';
import type { Process } from '../../sys/processes/process.js';
import { childEnd } from '../../sys/processes/send-signal.js';
import { CLD_CONTINUED, CLD_STOPPED } from '../../sys/processes/signal-info.js';
import { readUserStrings, strncpyFromUser, words32, writeUser } from '../../sys/processes/user-memory.js';
import { doWait, type WaitRequest } from '../../sys/processes/wait.js';
import { type GuestSyscallTable, machineCall } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTARTSYS } from '../restart.js';
import { encodeSiginfo, SIGINFO_BYTES } from '../signal-frame.js';

/** Options of wait4(2) and waitid(2). */
const W = {
  nohang: 1,
  stopped: 2,
  exited: 4,
  continued: 8,
  nowait: 0x01000000,
  nothread: 0x20000000,
  all: 0x40000000,
  clone: 0x80000000,
} as const;
const P_ALL = 0;
const P_PID = 1;
const P_PGID = 2;
const P_PIDFD = 3;
const INT_MIN = -(2 ** 31);
const RUSAGE_BYTES = 144;

/** Processes and threads. */
export const processSyscalls: GuestSyscallTable = {
  93: { name: 'exit', args: 'd', note: 'whole', run: exitThreadOnly },
  94: {
    name: 'exit_group',
    args: 'd',
    note: 'whole',
    run: (guest) => machineCall(guest, 'exit', guest.int(0) & 0xff),
  },
  95: { name: 'waitid', args: 'ddpWp', note: 'rusage is zero', restart: ERESTARTSYS, run: waitid },
  96: {
    name: 'set_tid_address',
    args: 'p',
    note: 'whole',
    *run(guest) {
      guest.clearChildTid = guest.u(0);
      return guest.thread.tid;
    },
  },
  99: {
    name: 'set_robust_list',
    args: 'pn',
    note: 'held locks are given up when a thread ends',
    *run(guest) {
      if (guest.u(1) !== 24) return -EINVAL;
      guest.robustList = { head: guest.u(0), len: guest.u(1) };
      return 0;
    },
  },
  154: { name: 'setpgid', args: 'dd', note: 'any child, exec or not', run: setpgid },
  155: {
    name: 'getpgid',
    args: 'd',
    note: 'whole',
    *run(guest) {
      return target(guest, guest.int(0))?.pgid ?? -ESRCH;
    },
  },
  156: {
    name: 'getsid',
    args: 'd',
    note: 'whole',
    *run(guest) {
      return target(guest, guest.int(0))?.sid ?? -ESRCH;
    },
  },
  157: {
    name: 'setsid',
    args: '',
    note: 'no terminal to lose',
    *run({ process }) {
      if (process.machine.allProcesses().some(({ pgid }) => pgid === process.pid)) return -EPERM;
      process.sid = process.pgid = process.pid;
      return process.pid;
    },
  },
  172: {
    name: 'getpid',
    args: '',
    note: 'whole',
    *run({ process }) {
      return process.pid;
    },
  },
  173: {
    name: 'getppid',
    args: '',
    note: 'whole',
    *run({ process }) {
      return process.parent?.pid ?? 0;
    },
  },
  178: {
    name: 'gettid',
    args: '',
    note: 'whole',
    *run({ thread }) {
      return thread.tid;
    },
  },
  221: { name: 'execve', args: 'spp', note: 'static programs; not with several threads', run: execve },
  260: { name: 'wait4', args: 'dpWp', note: 'rusage is zero', restart: ERESTARTSYS, run: wait4 },
};

/** One thread. Linux: part of kernel/exit.c:do_exit() */
function* exitThreadOnly(guest: GuestThread): Coroutine<number> {
  const { process, thread } = guest;
  if (process.threads.length === 1) process.doGroupExit(exitStatus(guest.int(0)));
  else thread.die();
  return 0;
}

function* execve(guest: GuestThread): Coroutine<number> {
  const path = yield* strncpyFromUser(guest.mm, guest.u(0));
  if (typeof path === 'number') return path;
  const argv = yield* readUserStrings(guest.mm, guest.u(1));
  if (typeof argv === 'number') return argv;
  const envp = yield* readUserStrings(guest.mm, guest.u(2));
  if (typeof envp === 'number') return envp;
  if (guest.process.threads.length > 1) return -EAGAIN;
  return yield* guest.system.exec(guest, path, { argv, envp });
}

/** What is common to wait4(2) and waitid(2) in their options. */
function waitOptions(options: number): Omit<WaitRequest, 'pid'> {
  const kind = options & W.all ? { kind: 'any' as const } : options & W.clone ? { kind: 'other' as const } : {};
  return {
    noHang: (options & W.nohang) !== 0,
    keep: (options & W.nowait) !== 0,
    stopped: (options & W.stopped) !== 0,
    continued: (options & W.continued) !== 0,
    ...kind,
  };
}

/** Linux: kernel/exit.c:wait4(), kernel_wait4() */
function* wait4(guest: GuestThread): Coroutine<number> {
  const [pid, options] = [guest.int(0), guest.int(2)];
  if (options & ~(W.nohang | W.stopped | W.continued | W.nothread | W.clone | W.all)) return -EINVAL;
  if (pid === INT_MIN) return -ESRCH;
  const { ret, status = 0 } = yield* doWait(guest.thread, { pid, ...waitOptions(options) });
  if (ret <= 0) return ret;
  if (guest.u(1) !== 0 && (yield* writeUser(guest.mm, guest.u(1), words32(status))) !== 0) return -EFAULT;
  if (guest.u(3) !== 0 && (yield* writeUser(guest.mm, guest.u(3), new Uint8Array(RUSAGE_BYTES))) !== 0) return -EFAULT;
  return ret;
}

/** Linux: kernel/exit.c:waitid(), kernel_waitid() */
function* waitid(guest: GuestThread): Coroutine<number> {
  const options = guest.int(3);
  const events = W.exited | W.stopped | W.continued;
  if (options & ~(events | W.nohang | W.nowait | W.nothread | W.clone | W.all) || !(options & events)) return -EINVAL;
  const target = kernelWaitidPrepare(guest, guest.int(0), guest.int(1));
  if (typeof target === 'number') return target;
  const { pid, nonBlocking } = target;
  const request = { ...waitOptions(options), pid, exited: (options & W.exited) !== 0 };
  const noHang = nonBlocking || (options & W.nohang) !== 0;
  const { ret, status = 0 } = yield* doWait(guest.thread, { ...request, noHang });
  if (ret < 0) return ret;
  if (ret === 0 && nonBlocking && !(options & W.nohang)) return -EAGAIN;
  if (ret > 0 && guest.u(4) !== 0 && (yield* writeUser(guest.mm, guest.u(4), new Uint8Array(RUSAGE_BYTES))) !== 0) {
    return -EFAULT;
  }
  if (guest.u(2) === 0) return 0;
  const info = { signo: SIGCHLD, pid: ret, ...childEvent(status) };
  return yield* writeUser(guest.mm, guest.u(2), ret === 0 ? new Uint8Array(SIGINFO_BYTES) : encodeSiginfo(info));
}

/** Code and status of a SIGCHLD by the status word of wait(2). */
function childEvent(status: number): { code: number; status: number } {
  if (status === CONTINUED_STATUS) return { code: CLD_CONTINUED, status: SIGCONT };
  if (WIFSTOPPED(status)) return { code: CLD_STOPPED, status: WEXITSTATUS(status) };
  return childEnd(status);
}

interface WaitTarget {
  /** As wait4(2) has it. */
  readonly pid: number;
  /** A pidfd that was opened with PIDFD_NONBLOCK. */
  readonly nonBlocking: boolean;
}

/** Linux: kernel/exit.c:kernel_waitid_prepare() */
function kernelWaitidPrepare({ process }: GuestThread, type: number, id: number): WaitTarget | number {
  const plain = (pid: number): WaitTarget => ({ pid, nonBlocking: false });
  if (type === P_ALL) return plain(-1);
  if (type === P_PID) return id <= 0 ? -EINVAL : plain(id);
  if (type === P_PGID) return id < 0 ? -EINVAL : plain(id === 0 ? 0 : -id);
  if (type !== P_PIDFD || id < 0) return -EINVAL;
  const file = process.files.get(id);
  if (!(file instanceof PidFile)) return -EBADF;
  return { pid: file.thread?.tid ?? file.process.pid, nonBlocking: (file.flags & O_NONBLOCK) !== 0 };
}

function target({ process }: GuestThread, pid: number) {
  const found = pid === 0 ? process : process.machine.process(pid);
  return found === null || found.owner !== process.owner ? null : found;
}

/** Linux: kernel/sys.c:setpgid() */
function* setpgid(guest: GuestThread): Coroutine<number> {
  const process = target(guest, guest.int(0));
  const pgid = guest.int(1);
  if (pgid < 0) return -EINVAL;
  if (process === null || (process !== guest.process && process.parent !== guest.process)) return -ESRCH;
  if (process.sid !== guest.process.sid || process.sid === process.pid) return -EPERM;
  const { machine, owner, sid } = process;
  const isOfGroup = (other: Process): boolean => other.pgid === pgid && other.owner === owner && other.sid === sid;
  if (pgid !== 0 && pgid !== process.pid && !machine.allProcesses().some(isOfGroup)) return -EPERM;
  process.pgid = pgid === 0 ? process.pid : pgid;
  return 0;
}
