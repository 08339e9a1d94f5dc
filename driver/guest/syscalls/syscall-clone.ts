import { E2BIG, EFAULT, EINVAL } from '../../../uapi/errno.js';
import { readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { PidFile } from '../../sys/files/pid-file.js';
import { copyProcess } from '../../sys/processes/fork.js';
import { isInterrupted } from '../../sys/processes/interruptible.js';
import { NO_ALT_STACK } from '../../sys/processes/program-signals.js';
import { SIGNAL_COUNT } from '../../sys/processes/send-signal.js';
import { readUserView, words32, writeUser } from '../../sys/processes/user-memory.js';
import { type GuestSyscallTable, machineCall } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTARTNOINTR } from '../restart.js';

const CSIGNAL = 0xff;
const CLONE = {
  vm: 0x100,
  fs: 0x200,
  files: 0x400,
  sighand: 0x800,
  pidfd: 0x1000,
  ptrace: 0x2000,
  vfork: 0x4000,
  parent: 0x8000,
  thread: 0x10000,
  sysvsem: 0x40000,
  settls: 0x80000,
  parentSettid: 0x100000,
  childCleartid: 0x200000,
  detached: 0x400000,
  untraced: 0x800000,
  childSettid: 0x1000000,
  io: 0x80000000,
} as const;
/** What clone(2) does, or what has no meaning here. All other flags are namespaces, which are not there. */
const SUPPORTED = Object.values(CLONE).reduce((all, flag) => all + flag, 0) - CLONE.parent;
/** Of clone3(2) alone, in the upper half of its flags. */
const CLONE_CLEAR_SIGHAND_HI = 1;
const CLONE_ARGS_BYTES = 88;
const CLONE_ARGS_SIZE_VER0 = 64;
const ECALL_BYTES = 4;
const SP = 2;
const TP = 4;
const A0 = 10;

export const cloneSyscalls: GuestSyscallTable = {
  220: {
    name: 'clone',
    args: 'Cpppp',
    note: 'processes and threads; no namespaces, no CLONE_PARENT',
    run: (guest) => legacyClone(guest),
  },
  435: { name: 'clone3', args: 'pn', note: 'as clone; no chosen tids, no cgroup', run: clone3 },
};

interface CloneRequest {
  /** Without CSIGNAL. */
  readonly flags: number;
  readonly exitSignal: number;
  readonly stack: number;
  readonly pidfd: number;
  readonly parentTid: number;
  readonly tls: number;
  readonly childTid: number;
  readonly clearsHandlers?: boolean;
}

function* legacyClone(guest: GuestThread): Coroutine<number> {
  const flags = guest.int(0) >>> 0;
  return yield* kernelClone(guest, {
    flags: (flags & ~CSIGNAL) >>> 0,
    exitSignal: flags & CSIGNAL,
    stack: guest.u(1),
    pidfd: guest.u(2),
    parentTid: guest.u(2),
    tls: guest.u(3),
    childTid: guest.u(4),
  });
}

/** Linux: kernel/fork.c:clone3(), copy_clone_args_from_user(), clone3_args_valid() */
function* clone3(guest: GuestThread): Coroutine<number> {
  const size = guest.u(1);
  if (size > 4096) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  const read = yield* readUserView(guest.mm, guest.u(0), size);
  if (typeof read === 'number') return read;
  const bytes = new Uint8Array(Math.max(size, CLONE_ARGS_BYTES));
  bytes.set(new Uint8Array(read.buffer));
  if (bytes.subarray(CLONE_ARGS_BYTES).some((byte) => byte !== 0)) return -E2BIG;
  const view = new DataView(bytes.buffer);
  const [flags, flagsHi, exitSignal] = [view.getUint32(0, true), view.getUint32(4, true), readU64(view, 32)];
  const [stack, stackSize] = [readU64(view, 40), readU64(view, 48)];
  const hasChosenTids = readU64(view, 64) !== 0 || readU64(view, 72) !== 0;
  if (hasChosenTids || exitSignal > SIGNAL_COUNT || flagsHi & ~CLONE_CLEAR_SIGHAND_HI) return -EINVAL;
  if (flags & (CLONE.detached | CSIGNAL) || (stack === 0) !== (stackSize === 0)) return -EINVAL;
  if (flagsHi !== 0 && flags & CLONE.sighand) return -EINVAL;
  if (flags & CLONE.thread && exitSignal !== 0) return -EINVAL;
  return yield* kernelClone(guest, {
    flags,
    exitSignal,
    pidfd: readU64(view, 8),
    childTid: readU64(view, 16),
    parentTid: readU64(view, 24),
    stack: stack + stackSize,
    tls: readU64(view, 56),
    clearsHandlers: flagsHi !== 0,
  });
}

/** Linux: part of kernel/fork.c:copy_process() */
function isValid({ flags, pidfd, parentTid }: CloneRequest): boolean {
  if ((flags & ~SUPPORTED) !== 0) return false;
  if (flags & CLONE.thread && !(flags & CLONE.sighand)) return false;
  if (flags & CLONE.sighand && !(flags & CLONE.vm)) return false;
  if (!(flags & CLONE.pidfd)) return true;
  return !(flags & CLONE.detached) && !(flags & CLONE.parentSettid && pidfd === parentTid);
}

/** Linux: kernel/fork.c:kernel_clone() */
function* kernelClone(guest: GuestThread, request: CloneRequest): Coroutine<number> {
  const { flags, pidfd } = request;
  const { files } = guest.process;
  if (!isValid(request)) return -EINVAL;
  // What was sent before is handled before: the child must not be there yet.
  if (isInterrupted(guest.thread)) return -ERESTARTNOINTR;
  if (!(flags & CLONE.pidfd)) return yield* cloneNow(guest, request, null);
  const fd = files.getUnusedFdFlags();
  if (fd < 0) return fd;
  const error = yield* writeUser(guest.mm, pidfd, words32(fd));
  const ret = error === 0 ? yield* cloneNow(guest, request, fd) : -EFAULT;
  if (ret < 0) files.putUnusedFd(fd);
  return ret;
}

function* cloneNow(guest: GuestThread, request: CloneRequest, fd: number | null): Coroutine<number> {
  const { flags, parentTid, childTid } = request;
  const child = flags & CLONE.thread ? yield* cloneThread(guest) : yield* cloneProcess(guest, request);
  if (typeof child === 'number') return child;
  setRegisters(guest, child, request);
  // Linux: kernel/fork.c:copy_process(), include/linux/sched/signal.h:sas_ss_reset()
  if (flags & CLONE.vm && !(flags & CLONE.vfork)) child.thread.signals!.altStack = NO_ALT_STACK;
  if (fd !== null) {
    const { files } = guest.process;
    files.fdInstall(fd, new PidFile(child.process, flags & CLONE.thread ? child.thread : null, 0));
    files.setCloseOnExec(fd, true);
  }
  const tid = words32(child.thread.tid);
  if (flags & CLONE.parentSettid) yield* writeUser(guest.mm, parentTid, tid);
  if (flags & CLONE.childSettid) yield* writeUser(child.mm, childTid, tid);
  if (flags & CLONE.childCleartid) child.clearChildTid = childTid;
  child.start();
  if (flags & CLONE.vfork) yield* waitForVforkDone(guest, child);
  return child.thread.tid;
}

function setRegisters(guest: GuestThread, { cpu }: GuestThread, { flags, stack, tls }: CloneRequest): void {
  cpu.pc = guest.cpu.pc + ECALL_BYTES;
  cpu.set(A0, 0);
  if (stack !== 0) cpu.set(SP, stack);
  if (flags & CLONE.settls) cpu.set(TP, tls);
}

/** Until the child runs another program or ends; only a fatal signal ends the wait. Linux: kernel/fork.c:wait_for_vfork_done() */
function* waitForVforkDone({ thread }: GuestThread, child: GuestThread): Coroutine<void> {
  while (child.hasParentsMemory && !thread.task.killed) yield child.vforkDone;
}

function* cloneThread(guest: GuestThread): Coroutine<GuestThread | number> {
  const ret = yield* machineCall(guest, 'thread');
  if (ret < 0) return ret;
  return guest.system.addClone(guest, guest.process.machine.threadByTid(ret)!);
}

function* cloneProcess(guest: GuestThread, request: CloneRequest): Coroutine<GuestThread | number> {
  const { flags, exitSignal } = request;
  const sharesMemory = (flags & CLONE.vm) !== 0;
  const sharesFiles = (flags & CLONE.files) !== 0;
  const child = yield* copyProcess(guest.thread, { sharesMemory, sharesFiles, exitSignal });
  if (typeof child === 'number') return child;
  const added = guest.system.addChild(guest, child, { sharesMemory, sharesHandlers: (flags & CLONE.sighand) !== 0 });
  if (request.clearsHandlers) child.signals!.flushSignalHandlers();
  return added;
}
