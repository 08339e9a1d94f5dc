import { EAGAIN, ECHILD, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from '../../uapi/errno.js';
import { exitStatus, SIGCHLD, WEXITSTATUS, WIFEXITED, WTERMSIG } from '../../uapi/signal.js';
import { readU64 } from '../../uapi/u64.js';
import type { Coroutine } from '../core/effect.js';
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED } from '../sys/signal-info.js';
import { readUserString, readUserStrings, readUserView, words32, writeUser } from '../sys/user-memory.js';
import { waitForChild } from '../sys/wait.js';
import { type GuestSyscallTable, machineCall } from './guest-syscall.js';
import type { GuestThread } from './guest-thread.js';
import { ERESTARTSYS } from './restart.js';
import { wakeWord, walkRobustList } from './robust-list.js';
import { encodeSiginfo } from './signal-frame.js';

const CLONE = {
  vm: 0x100,
  vfork: 0x4000,
  thread: 0x10000,
  settls: 0x80000,
  parentSettid: 0x100000,
  childCleartid: 0x200000,
  childSettid: 0x1000000,
} as const;
const WNOHANG = 1;
const WNOWAIT = 0x01000000;
const WEXITED = 4;
const P_ALL = 0;
const P_PID = 1;
const P_PGID = 2;
const SP = 2;
const TP = 4;
const A0 = 10;

/** Processes and threads. */
export const processSyscalls: GuestSyscallTable = {
  93: { name: 'exit', args: 'd', note: 'whole', run: exitThreadOnly },
  94: {
    name: 'exit_group',
    args: 'd',
    note: 'whole',
    *run(guest) {
      return (yield* machineCall(guest, 'exit', guest.int(0) & 0xff)).ret;
    },
  },
  95: { name: 'waitid', args: 'ddpxp', note: 'ends of children only', restart: ERESTARTSYS, run: waitid },
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
  220: {
    name: 'clone',
    args: 'xpppp',
    note: 'fork and threads; CLONE_VM without CLONE_THREAD copies the memory',
    run: (guest) =>
      clone(guest, {
        flags: guest.u(0) % 2 ** 32,
        stack: guest.u(1),
        parentTid: guest.u(2),
        tls: guest.u(3),
        childTid: guest.u(4),
      }),
  },
  221: { name: 'execve', args: 'spp', note: 'static programs; not with several threads', run: execve },
  260: { name: 'wait4', args: 'dpxp', note: 'ends of children only; rusage is zero', restart: ERESTARTSYS, run: wait4 },
  435: { name: 'clone3', args: 'pn', note: 'as clone', run: clone3 },
};

/** Linux: kernel/exit.c:do_exit() for one thread */
function* exitThreadOnly(guest: GuestThread): Coroutine<number> {
  const { process, thread } = guest;
  yield* walkRobustList(guest);
  if (guest.clearChildTid !== 0) {
    yield* writeUser(guest.mm, guest.clearChildTid, words32(0));
    wakeWord(guest, guest.clearChildTid, 1);
  }
  if (process.threads.length === 1) process.groupExit(exitStatus(guest.int(0)));
  else thread.die();
  return 0;
}

interface CloneRequest {
  readonly flags: number;
  readonly stack: number;
  readonly parentTid: number;
  readonly tls: number;
  readonly childTid: number;
}

/** Linux: kernel/fork.c:kernel_clone() */
function* clone(guest: GuestThread, request: CloneRequest): Coroutine<number> {
  const { flags, stack, parentTid, tls, childTid } = request;
  const child = flags & CLONE.thread ? yield* cloneThread(guest) : yield* cloneProcess(guest);
  if (typeof child === 'number') return child;
  const { cpu } = child;
  cpu.pc = guest.cpu.pc + 4;
  cpu.set(A0, 0);
  if (stack !== 0) cpu.set(SP, stack);
  if (flags & CLONE.settls) cpu.set(TP, tls);
  const tid = words32(child.thread.tid);
  if (flags & CLONE.parentSettid) yield* writeUser(guest.mm, parentTid, tid);
  if (flags & CLONE.childSettid) yield* writeUser(child.mm, childTid, tid);
  if (flags & CLONE.childCleartid) child.clearChildTid = childTid;
  child.start();
  if (flags & CLONE.vfork) yield* waitForVfork(guest, child);
  return child.thread.tid;
}

/** Until the child runs another program or ends; only a fatal signal ends the wait. Linux: wait_for_vfork_done() */
function* waitForVfork({ process, thread }: GuestThread, child: GuestThread): Coroutine<void> {
  while (child.process.state === 'running' && !child.hasExeced && !thread.task.killed) yield process.childEvents;
}

function* cloneThread(guest: GuestThread): Coroutine<GuestThread | number> {
  const { ret } = yield* machineCall(guest, 'thread');
  if (ret < 0) return ret;
  return guest.system.addClone(guest, guest.process.machine.threadByTid(ret)!);
}

function* cloneProcess(guest: GuestThread): Coroutine<GuestThread | number> {
  const { ret } = yield* machineCall(guest, 'fork');
  if (ret < 0) return ret;
  return guest.system.addChild(guest, guest.process.machine.process(ret)!);
}

function* clone3(guest: GuestThread): Coroutine<number> {
  const size = guest.u(1);
  if (size < 64 || size > 4096) return -EINVAL;
  const view = yield* readUserView(guest.mm, guest.u(0), size);
  if (typeof view === 'number') return view;
  const stack = readU64(view, 40);
  return yield* clone(guest, {
    flags: readU64(view, 0) % 2 ** 32,
    childTid: readU64(view, 16),
    parentTid: readU64(view, 24),
    stack: stack === 0 ? 0 : stack + readU64(view, 48),
    tls: readU64(view, 56),
  });
}

function* execve(guest: GuestThread): Coroutine<number> {
  const path = yield* readUserString(guest.mm, guest.u(0));
  if (typeof path === 'number') return path;
  const argv = yield* readUserStrings(guest.mm, guest.u(1));
  if (typeof argv === 'number') return argv;
  const envp = yield* readUserStrings(guest.mm, guest.u(2));
  if (typeof envp === 'number') return envp;
  if (guest.process.threads.length > 1) return -EAGAIN;
  return yield* guest.system.exec(guest, path, { argv, envp });
}

function* wait4(guest: GuestThread): Coroutine<number> {
  const options = guest.int(2);
  const { ret, status = 0 } = yield* waitForChild(guest.thread, {
    pid: guest.int(0),
    noHang: (options & WNOHANG) !== 0,
  });
  if (ret <= 0) return ret;
  if (guest.u(1) !== 0 && (yield* writeUser(guest.mm, guest.u(1), words32(status))) !== 0) return -EFAULT;
  if (guest.u(3) !== 0 && (yield* writeUser(guest.mm, guest.u(3), new Uint8Array(144))) !== 0) return -EFAULT;
  return ret;
}

function* waitid(guest: GuestThread): Coroutine<number> {
  const options = guest.int(3);
  if (!(options & WEXITED)) return guest.process.children.length === 0 ? -ECHILD : -ENOSYS;
  const pid = waitidPid(guest, guest.int(0), guest.int(1));
  if (pid === null) return -EINVAL;
  const { ret, status = 0 } = yield* waitForChild(guest.thread, {
    pid,
    noHang: (options & WNOHANG) !== 0,
    keep: (options & WNOWAIT) !== 0,
  });
  if (ret < 0 || guest.u(2) === 0) return Math.min(ret, 0);
  const code = WIFEXITED(status) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED;
  const info = {
    signo: SIGCHLD,
    code,
    pid: ret,
    status: WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
  };
  const bytes = ret === 0 ? new Uint8Array(128) : encodeSiginfo(info);
  return yield* writeUser(guest.mm, guest.u(2), bytes);
}

function waitidPid({ process }: GuestThread, type: number, id: number): number | null {
  if (type === P_ALL) return -1;
  if (type === P_PID) return id;
  return type === P_PGID ? -(id === 0 ? process.pgid : id) : null;
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
  process.pgid = pgid === 0 ? process.pid : pgid;
  return 0;
}
