import { EBADF, EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import { O_EXCL, O_NONBLOCK } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import { PidFile } from '../../sys/files/pid-file.js';
import { doSendSpecific, SIGNAL_COUNT, sendSignal } from '../../sys/processes/send-signal.js';
import { SI_TKILL, SI_USER, type SignalInfo } from '../../sys/processes/signal-info.js';
import { readUserView } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { decodeSiginfo, SIGINFO_BYTES } from '../signal-frame.js';

const PIDFD_NONBLOCK = O_NONBLOCK;
const PIDFD_THREAD = O_EXCL;
const SIGNAL = { thread: 1, threadGroup: 2, processGroup: 4 } as const;

/** Processes through descriptors. */
export const pidfdSyscalls: GuestSyscallTable = {
  424: { name: 'pidfd_send_signal', args: 'dSpx', note: 'whole', run: pidfdSendSignal },
  434: { name: 'pidfd_open', args: 'dx', note: 'whole', run: pidfdOpen },
  438: { name: 'pidfd_getfd', args: 'ddx', note: 'whole', run: pidfdGetfd },
};

/** Linux: kernel/pid.c:pidfd_open() */
function* pidfdOpen(guest: GuestThread): Coroutine<number> {
  const [pid, flags] = [guest.int(0), guest.int(1)];
  const { machine, owner, files } = guest.process;
  if (flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD) || pid <= 0) return -EINVAL;
  const process = machine.process(pid);
  const thread = machine.threadByTid(pid);
  const found = process ?? thread?.process ?? null;
  if (found === null || found.owner !== owner) return -ESRCH;
  if (process === null && !(flags & PIDFD_THREAD)) return -EINVAL;
  const file = new PidFile(found, flags & PIDFD_THREAD ? (thread ?? found.main) : null, flags);
  const fd = files.install(file);
  if (fd < 0) yield* file.put();
  else files.setCloseOnExec(fd, true);
  return fd;
}

/** Linux: kernel/signal.c:pidfd_send_signal() */
function* pidfdSendSignal(guest: GuestThread): Coroutine<number> {
  const [signo, flags] = [guest.int(1), guest.int(3)];
  if (flags !== 0 && !(Object.values(SIGNAL) as number[]).includes(flags)) return -EINVAL;
  const file = guest.process.files.get(guest.int(0));
  if (!(file instanceof PidFile)) return -EBADF;
  const scope = flags === 0 ? (file.thread === null ? SIGNAL.threadGroup : SIGNAL.thread) : flags;
  const info = yield* pidfdInfo(guest, file, scope);
  if (typeof info === 'number') return info;
  return deliver(file, info, { signo, scope });
}

/** What is sent along: the caller's own record, or what kill(2) would say. */
function* pidfdInfo(guest: GuestThread, file: PidFile, scope: number): Coroutine<SignalInfo | number> {
  const signo = guest.int(1);
  const code = scope === SIGNAL.thread ? SI_TKILL : SI_USER;
  if (guest.u(2) === 0) return { signo, code, pid: guest.process.pid };
  const view = yield* readUserView(guest.mm, guest.u(2), SIGINFO_BYTES);
  if (typeof view === 'number') return view;
  const info = decodeSiginfo(view);
  if (info.signo !== signo) return -EINVAL;
  // Only to itself may a task say that the kernel or kill(2) has sent it.
  const isSelf = file.process === guest.process && guest.thread === (file.thread ?? file.process.main);
  const isForged = info.code >= 0 || info.code === SI_TKILL;
  return isForged && (!isSelf || scope === SIGNAL.processGroup) ? -EPERM : info;
}

function deliver(file: PidFile, info: SignalInfo, { signo, scope }: { signo: number; scope: number }): number {
  const { process } = file;
  const targets =
    scope === SIGNAL.processGroup
      ? process.machine.allProcesses().filter(({ pgid, owner }) => pgid === process.pid && owner === process.owner)
      : process.state === 'reaped'
        ? []
        : [process];
  if (targets.length === 0) return -ESRCH;
  if (signo < 0 || signo > SIGNAL_COUNT) return -EINVAL;
  if (signo === 0) return 0;
  if (scope === SIGNAL.thread) doSendSpecific(file.thread ?? process.main, info);
  else for (const target of targets) sendSignal(target, signo, info);
  return 0;
}

/** Linux: kernel/pid.c:pidfd_getfd() */
function* pidfdGetfd(guest: GuestThread): Coroutine<number> {
  const { files } = guest.process;
  const pidFile = files.get(guest.int(0));
  if (guest.int(2) !== 0) return -EINVAL;
  if (!(pidFile instanceof PidFile)) return -EBADF;
  if (pidFile.process.exitStatus !== null || pidFile.process.state !== 'running') return -ESRCH;
  const file = pidFile.process.files.get(guest.int(1));
  if (file === null) return -EBADF;
  file.get();
  const fd = files.install(file);
  if (fd < 0) yield* file.put();
  else files.setCloseOnExec(fd, true);
  return fd;
}
