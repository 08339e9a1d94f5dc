import { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, ENOSYS } from '../../../uapi/errno.js';
import { O_CLOEXEC, O_NONBLOCK } from '../../../uapi/fcntl.js';
import { readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { EFD_SEMAPHORE, EventFd } from '../../sys/files/event-fd.js';
import { POLL } from '../../sys/files/open-file.js';
import { doPoll, type PollEntry } from '../../sys/files/poll.js';
import { FUTEX_BITSET_MATCH_ANY } from '../../sys/processes/futex.js';
import { readUserView, writeUser } from '../../sys/processes/user-memory.js';
import { futexWakeOp } from '../futex-wake-op.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS } from '../restart.js';
import { readSet, withMask } from './syscall-signal.js';
import { pollSelectFinish, readAbsolute, readDeadline } from './syscall-time.js';

const FUTEX_CMD_MASK = 0x7f;
const FUTEX_PRIVATE_FLAG = 128;
const FUTEX_CLOCK_REALTIME = 256;
const FUTEX = { wait: 0, wake: 1, requeue: 3, cmpRequeue: 4, wakeOp: 5, waitBitset: 9, wakeBitset: 10 } as const;
const SIGSET_BYTES = 8;
const POLLFD_BYTES = 8;
const MAX_POLL_ENTRIES = 1024;
/** Places in a small table of descriptors; select(2) does not look beyond its end. */
const NR_OPEN_DEFAULT = 64;

/** Waiting for words, descriptors and counters. */
export const waitSyscalls: GuestSyscallTable = {
  19: { name: 'eventfd2', args: 'nO', note: 'counts to 2^53 - 1', run: eventfd2 },
  72: { name: 'pselect6', args: 'dppppp', note: 'whole', restart: ERESTARTNOHAND, run: pselect6 },
  73: { name: 'ppoll', args: 'pnppn', note: 'whole', restart: ERESTARTNOHAND, run: ppoll },
  98: { name: 'futex', args: 'pUxppx', note: 'no priority inheritance', restart: ERESTARTSYS, run: futex },
};

/** Linux: kernel/futex/syscalls.c:futex(), do_futex() */
function* futex(guest: GuestThread): Coroutine<number> {
  const [addr, op, value] = [guest.u(0), guest.int(1), guest.int(2) >>> 0];
  const { futexes } = guest.process.machine;
  const bits = guest.int(5) >>> 0;
  if (addr % 4 !== 0) return -EINVAL;
  if (op & FUTEX_CLOCK_REALTIME && (op & FUTEX_CMD_MASK) !== FUTEX.waitBitset) return -ENOSYS;
  // What is shared is known by its page, what is private by its address. Linux: kernel/futex/core.c:get_futex_key()
  if (!(op & FUTEX_PRIVATE_FLAG) && guest.mm.vmaLookup(addr) === null) return -EFAULT;
  switch (op & FUTEX_CMD_MASK) {
    case FUTEX.wait:
      return yield* futexWait(guest, yield* readDeadline(guest, guest.u(3)), FUTEX_BITSET_MATCH_ANY);
    case FUTEX.waitBitset: {
      if (bits === 0) return -EINVAL;
      const clock = op & FUTEX_CLOCK_REALTIME ? 0 : 1;
      return yield* futexWait(guest, yield* readAbsolute(guest, guest.u(3), clock), bits);
    }
    case FUTEX.wake:
      return futexes.futexWake(guest.mm, addr, { count: value, bitset: FUTEX_BITSET_MATCH_ANY });
    case FUTEX.wakeBitset:
      return bits === 0 ? -EINVAL : futexes.futexWake(guest.mm, addr, { count: value, bitset: bits });
    case FUTEX.requeue:
    case FUTEX.cmpRequeue:
      return yield* futexRequeue(guest, (op & FUTEX_CMD_MASK) === FUTEX.cmpRequeue);
    case FUTEX.wakeOp:
      return yield* futexWakeOp(guest);
    default:
      return -ENOSYS;
  }
}

function* futexWait(guest: GuestThread, deadline: number | null, bitset: number): Coroutine<number> {
  if (deadline !== null && deadline < 0) return deadline;
  const end = guest.deadlineOf(deadline);
  const wait = { addr: guest.u(0), value: guest.int(2) >>> 0, bitset, deadline: end };
  const ret = yield* guest.process.machine.futexes.futexWait(guest.thread, wait);
  if (ret !== -EINTR || end === null) return ret;
  guest.restartDeadline = end;
  return -ERESTART_RESTARTBLOCK;
}

function* futexRequeue(guest: GuestThread, compares: boolean): Coroutine<number> {
  const [from, wake, move, to] = [guest.u(0), guest.int(2), guest.int(3), guest.u(4)];
  if (wake < 0 || move < 0 || to % 4 !== 0) return -EINVAL;
  if (compares) {
    const word = yield* readUserView(guest.mm, from, 4);
    if (typeof word === 'number') return -EFAULT;
    if (word.getUint32(0, true) !== guest.int(5) >>> 0) return -EAGAIN;
  }
  const { woken, moved } = guest.process.machine.futexes.futexRequeue(guest.mm, { from, to, wake, move });
  return compares ? woken + moved : woken;
}

function* eventfd2(guest: GuestThread): Coroutine<number> {
  const flags = guest.int(1);
  const { files, machine } = guest.process;
  if (flags & ~(EFD_SEMAPHORE | O_NONBLOCK | O_CLOEXEC)) return -EINVAL;
  const file = new EventFd(machine, guest.int(0) >>> 0, flags);
  const fd = files.install(file);
  if (fd < 0) yield* file.put();
  else files.setCloseOnExec(fd, (flags & O_CLOEXEC) !== 0);
  return fd;
}

function* ppoll(guest: GuestThread): Coroutine<number> {
  const [addr, count] = [guest.u(0), guest.u(1)];
  if (count > MAX_POLL_ENTRIES) return -EINVAL;
  const view = yield* readUserView(guest.mm, addr, count * POLLFD_BYTES);
  if (typeof view === 'number') return view;
  const deadline = yield* readDeadline(guest, guest.u(2));
  if (deadline !== null && deadline < 0) return deadline;
  const entries: PollEntry[] = [];
  for (let at = 0; at < view.byteLength; at += POLLFD_BYTES) {
    entries.push({ fd: view.getInt32(at, true), events: view.getInt16(at + 4, true), revents: 0 });
  }
  const ret = yield* pollMasked(guest, entries, { deadline, mask: guest.u(3), bytes: guest.u(4) });
  yield* pollSelectFinish(guest, guest.u(2), deadline);
  entries.forEach(({ revents }, i) => {
    view.setInt16(i * POLLFD_BYTES + 6, revents, true);
  });
  return (yield* writeUser(guest.mm, addr, new Uint8Array(view.buffer))) === 0 ? ret : -EFAULT;
}

function* pollMasked(
  guest: GuestThread,
  entries: readonly PollEntry[],
  { deadline, mask, bytes }: { deadline: number | null; mask: number; bytes: number },
): Coroutine<number> {
  if (mask === 0) return yield* doPoll(guest.thread, entries, deadline);
  if (bytes !== SIGSET_BYTES) return -EINVAL;
  const set = yield* readSet(guest, mask);
  if (typeof set === 'number') return set;
  return yield* withMask(guest, set, () => doPoll(guest.thread, entries, deadline));
}

/** Which poll events each of the three sets asks for. Linux: POLLIN_SET, POLLOUT_SET, POLLEX_SET */
const SELECT_EVENTS = [1, 4, 2];

function* pselect6(guest: GuestThread): Coroutine<number> {
  const nfds = guest.int(0);
  if (nfds < 0 || nfds > MAX_POLL_ENTRIES) return -EINVAL;
  const bytes = Math.ceil(nfds / 64) * 8;
  const sets: (Uint8Array | null)[] = [];
  for (const i of [1, 2, 3]) {
    const view = guest.u(i) === 0 ? null : yield* readUserView(guest.mm, guest.u(i), bytes);
    if (typeof view === 'number') return view;
    sets.push(view === null ? null : new Uint8Array(view.buffer));
  }
  const deadline = yield* readDeadline(guest, guest.u(4));
  if (deadline !== null && deadline < 0) return deadline;
  const entries: PollEntry[] = [];
  for (let fd = 0; fd < nfds; fd++) {
    const events = SELECT_EVENTS.reduce((all, event, i) => (hasBit(sets[i], fd) ? all | event : all), 0);
    if (events !== 0) entries.push({ fd, events, revents: 0 });
  }
  const masked = yield* getSigsetArgpack(guest, guest.u(5));
  if (typeof masked === 'number') return masked;
  const ret = yield* pollMasked(guest, entries, { deadline, ...masked });
  yield* pollSelectFinish(guest, guest.u(4), deadline);
  if (ret < 0) return ret;
  if (entries.some(({ fd, revents }) => fd < NR_OPEN_DEFAULT && revents & POLL.nval)) return -EBADF;
  return yield* writeSelected(guest, entries, sets);
}

/** The mask of pselect6(2) and its size, which stand in memory together. Linux: fs/select.c:get_sigset_argpack() */
function* getSigsetArgpack(guest: GuestThread, addr: number): Coroutine<{ mask: number; bytes: number } | number> {
  if (addr === 0) return { mask: 0, bytes: 0 };
  const view = yield* readUserView(guest.mm, addr, 16);
  return typeof view === 'number' ? view : { mask: readU64(view, 0), bytes: readU64(view, 8) };
}

function* writeSelected(
  guest: GuestThread,
  entries: readonly PollEntry[],
  sets: readonly (Uint8Array | null)[],
): Coroutine<number> {
  let count = 0;
  for (const [i, set] of sets.entries()) {
    if (set === null) continue;
    const out = new Uint8Array(set.length);
    for (const { fd, revents } of entries) {
      if (!hasBit(set, fd) || !(revents & (SELECT_EVENTS[i]! | 8 | 16))) continue;
      out[fd >>> 3]! |= 1 << (fd & 7);
      count++;
    }
    if ((yield* writeUser(guest.mm, guest.u(i + 1), out)) !== 0) return -EFAULT;
  }
  return count;
}

function hasBit(set: Uint8Array | null | undefined, fd: number): boolean {
  return set != null && ((set[fd >>> 3]! >>> (fd & 7)) & 1) !== 0;
}
