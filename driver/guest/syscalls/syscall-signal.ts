import { EAGAIN, EINTR, EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import { SIGKILL, SIGSTOP } from '../../../uapi/signal.js';
import { readU64, writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { waitEventInterruptibleTimeout } from '../../sys/processes/interruptible.js';
import { doSigpending } from '../../sys/processes/program-signals.js';
import { doSendSpecific, SIGNAL_COUNT, sendSignal } from '../../sys/processes/send-signal.js';
import { SA_ALL } from '../../sys/processes/signal-action.js';
import { SI_TKILL, type SignalInfo } from '../../sys/processes/signal-info.js';
import { blockable, type SignalSet, signalSet, union, without } from '../../sys/processes/signal-set.js';
import { readUserView, writeUser } from '../../sys/processes/user-memory.js';
import { doSigaltstack, sasSsFlags } from '../alt-stack.js';
import { type GuestSyscallTable, machineCall } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTARTNOHAND } from '../restart.js';
import { sigreturn } from '../signal-delivery.js';
import {
  ALT_STACK_BYTES,
  decodeAltStack,
  decodeSiginfo,
  encodeAltStack,
  encodeSiginfo,
  SIGINFO_BYTES,
} from '../signal-frame.js';
import { readDeadline } from './syscall-time.js';

const SIGSET_BYTES = 8;
const ACTION_BYTES = 24;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIG_SETMASK = 2;
const SP = 2;

/** Signals: sending, handling, waiting. */
export const signalSyscalls: GuestSyscallTable = {
  129: {
    name: 'kill',
    args: 'dS',
    note: 'processes, groups and -1',
    run: (guest) => machineCall(guest, 'kill', guest.int(0), guest.int(1)),
  },
  130: {
    name: 'tkill',
    args: 'dS',
    note: 'whole',
    run: (guest) => threadKill(guest, { tgid: 0, tid: guest.int(0), signo: guest.int(1) }),
  },
  131: {
    name: 'tgkill',
    args: 'ddS',
    note: 'whole',
    run: (guest) => threadKill(guest, { tgid: guest.int(0), tid: guest.int(1), signo: guest.int(2) }),
  },
  132: { name: 'sigaltstack', args: 'pp', note: 'whole', run: sigaltstack },
  133: { name: 'rt_sigsuspend', args: 'pn', note: 'whole', restart: ERESTARTNOHAND, run: sigsuspend },
  134: { name: 'rt_sigaction', args: 'Sppn', note: 'whole', run: sigaction },
  135: { name: 'rt_sigprocmask', args: 'Hppn', note: 'whole', run: sigprocmask },
  136: {
    name: 'rt_sigpending',
    args: 'pn',
    note: 'whole',
    *run(guest) {
      return yield* writeSet(guest, guest.u(0), signalSet(...doSigpending(guest.thread)));
    },
  },
  137: { name: 'rt_sigtimedwait', args: 'pppn', note: 'whole', run: doSigtimedwait },
  138: {
    name: 'rt_sigqueueinfo',
    args: 'dSp',
    note: 'code and an int value',
    run: (guest) => doRtSigqueueinfo(guest, { tgid: null, pid: guest.int(0), signo: guest.int(1), info: guest.u(2) }),
  },
  139: { name: 'rt_sigreturn', args: '', note: 'whole', run: sigreturn },
  240: {
    name: 'rt_tgsigqueueinfo',
    args: 'ddSp',
    note: 'code and an int value',
    run: (guest) =>
      doRtSigqueueinfo(guest, { tgid: guest.int(0), pid: guest.int(1), signo: guest.int(2), info: guest.u(3) }),
  },
};

function* threadKill(
  guest: GuestThread,
  { tgid, tid, signo }: { tgid: number; tid: number; signo: number },
): Coroutine<number> {
  if (signo < 0 || signo > SIGNAL_COUNT || tid <= 0) return -EINVAL;
  const thread = guest.process.machine.threadByTid(tid);
  if (thread === null || thread.process.owner !== guest.process.owner) return -ESRCH;
  if (tgid !== 0 && thread.process.pid !== tgid) return -ESRCH;
  const info: SignalInfo = { signo, code: SI_TKILL, pid: guest.process.pid };
  if (signo !== 0) doSendSpecific(thread, info);
  return 0;
}

/** Linux: kernel/signal.c:sigaltstack(), do_sigaltstack() */
function* sigaltstack(guest: GuestThread): Coroutine<number> {
  const signals = guest.thread.signals!;
  const sp = guest.cpu.unsigned(SP);
  const old = new DataView(new ArrayBuffer(ALT_STACK_BYTES));
  encodeAltStack(old, 0, { ...signals.altStack, flags: sasSsFlags(signals.altStack, sp) });
  if (guest.u(0) !== 0) {
    const view = yield* readUserView(guest.mm, guest.u(0), ALT_STACK_BYTES);
    if (typeof view === 'number') return view;
    const error = doSigaltstack(signals, decodeAltStack(view, 0), sp);
    if (error !== 0) return error;
  }
  return guest.u(1) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(1), new Uint8Array(old.buffer));
}

function* sigsuspend(guest: GuestThread): Coroutine<number> {
  const mask = yield* readSet(guest, guest.u(0));
  if (typeof mask === 'number') return mask;
  return yield* withMask(guest, mask, function* () {
    const queue = new WaitQueue('a signal');
    while ((yield* waitEventInterruptibleTimeout(guest.thread, queue, null)) !== 'signal');
    return -EINTR;
  });
}

/**
 * Waits under another mask. The old one is back at once, or if the answer is -EINTR when the handler has returned.
 * Linux: part of kernel/signal.c:set_user_sigmask() and include/linux/sched/signal.h:restore_saved_sigmask_unless()
 */
export function* withMask(guest: GuestThread, mask: SignalSet, wait: () => Coroutine<number>): Coroutine<number> {
  const signals = guest.thread.signals!;
  signals.savedMask = signals.mask;
  signals.mask = blockable(mask);
  const ret = yield* wait();
  if (ret === -EINTR) return ret;
  signals.mask = signals.savedMask;
  signals.savedMask = null;
  return ret;
}

function* sigaction(guest: GuestThread): Coroutine<number> {
  const signo = guest.int(0);
  const signals = guest.process.signals!;
  const { actions } = signals;
  if (signo < 1 || signo > SIGNAL_COUNT || guest.u(3) !== SIGSET_BYTES) return -EINVAL;
  const old = actions[signo]!;
  if (guest.u(1) !== 0) {
    if (signo === SIGKILL || signo === SIGSTOP) return -EINVAL;
    const view = yield* readUserView(guest.mm, guest.u(1), ACTION_BYTES);
    if (typeof view === 'number') return view;
    const mask = { lo: view.getInt32(16, true), hi: view.getInt32(20, true) };
    actions[signo] = { handler: readU64(view, 0), flags: view.getInt32(8, true) & SA_ALL, mask: blockable(mask) };
    if (signals.sigIgnored(signo)) signals.flushSigqueueMask([signo]);
  }
  if (guest.u(2) === 0) return 0;
  const out = new DataView(new ArrayBuffer(ACTION_BYTES));
  writeU64(out, 0, old.handler);
  out.setUint32(8, old.flags >>> 0, true);
  out.setInt32(16, old.mask.lo, true);
  out.setInt32(20, old.mask.hi, true);
  return yield* writeUser(guest.mm, guest.u(2), new Uint8Array(out.buffer));
}

function* sigprocmask(guest: GuestThread): Coroutine<number> {
  const signals = guest.thread.signals!;
  const old = signals.mask;
  if (guest.u(3) !== SIGSET_BYTES) return -EINVAL;
  if (guest.u(1) !== 0) {
    const set = yield* readSet(guest, guest.u(1));
    if (typeof set === 'number') return set;
    const how = guest.int(0);
    if (how === SIG_BLOCK) signals.mask = blockable(union(old, set));
    else if (how === SIG_UNBLOCK) signals.mask = without(old, set);
    else if (how === SIG_SETMASK) signals.mask = blockable(set);
    else return -EINVAL;
  }
  return guest.u(2) === 0 ? 0 : yield* writeSet(guest, guest.u(2), old);
}

/** A signal set at `addr`, or -EFAULT. */
export function* readSet(guest: GuestThread, addr: number): Coroutine<SignalSet | number> {
  const view = yield* readUserView(guest.mm, addr, SIGSET_BYTES);
  return typeof view === 'number' ? view : { lo: view.getInt32(0, true), hi: view.getInt32(4, true) };
}

function* writeSet(guest: GuestThread, addr: number, { lo, hi }: SignalSet): Coroutine<number> {
  return yield* writeUser(guest.mm, addr, new Uint8Array(Int32Array.of(lo, hi).buffer));
}

/** Linux: kernel/signal.c:do_sigtimedwait() */
function* doSigtimedwait(guest: GuestThread): Coroutine<number> {
  const { thread } = guest;
  const set = yield* readSet(guest, guest.u(0));
  if (typeof set === 'number') return set;
  const deadline = yield* readDeadline(guest, guest.u(2));
  if (deadline !== null && deadline < 0) return deadline;
  const signals = thread.signals!;
  const queue = new WaitQueue('one of some signals');
  const mask = signals.mask;
  let info = guest.process.signals!.dequeueOf(thread, set);
  if (info === null) {
    // What is waited for wakes the thread, though it may be blocked.
    signals.mask = without(mask, set);
    const end = yield* waitEventInterruptibleTimeout(thread, queue, deadline);
    info = guest.process.signals!.dequeueOf(thread, set);
    signals.mask = mask;
    if (info === null) return end === 'timeout' ? -EAGAIN : -EINTR;
  }
  const error = guest.u(1) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(1), encodeSiginfo(info));
  return error || info.signo;
}

/** To a process, or with `tgid` to one thread of it. Linux: kernel/signal.c:do_rt_sigqueueinfo() */
function* doRtSigqueueinfo(
  guest: GuestThread,
  { tgid, pid, signo, info: addr }: { tgid: number | null; pid: number; signo: number; info: number },
): Coroutine<number> {
  const view = yield* readUserView(guest.mm, addr, SIGINFO_BYTES);
  if (typeof view === 'number') return view;
  if (tgid !== null && (tgid <= 0 || pid <= 0)) return -EINVAL;
  const info = { ...decodeSiginfo(view), signo };
  const own = tgid === null ? guest.process.pid : guest.thread.tid;
  if ((info.code >= 0 || info.code === SI_TKILL) && pid !== own) return -EPERM;
  const { machine, owner } = guest.process;
  const thread = tgid === null ? null : machine.threadByTid(pid);
  const target = tgid === null ? machine.process(pid) : (thread?.process ?? null);
  if (target === null || target.owner !== owner || (tgid !== null && target.pid !== tgid)) return -ESRCH;
  if (signo < 0 || signo > SIGNAL_COUNT) return -EINVAL;
  if (signo === 0) return 0;
  if (thread === null) sendSignal(target, signo, info);
  else doSendSpecific(thread, info);
  return 0;
}
