import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import { SIGALRM, SIGPROF, SIGVTALRM } from '../../../uapi/signal.js';
import { readS64, readU64 } from '../../../uapi/u64.js';
import { EPOCH_SECONDS } from '../../core/clock.js';
import type { Coroutine } from '../../core/effect.js';
import { sleepUntil } from '../../sys/processes/interruptible.js';
import type { TimerSetting } from '../../sys/processes/program-image.js';
import { readUserView, words64, writeUser } from '../../sys/processes/user-memory.js';
import { fixed, type GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';
import { ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../restart.js';

const TICKS_PER_SECOND = 1_000_000;
const NS_PER_TICK = 1000;
/** A wait of more is one for ever. Linux: KTIME_SEC_MAX */
const MAX_SECONDS = 2 ** 32;
const CLOCK_REALTIME = 0;
const CLOCK_REALTIME_COARSE = 5;
const CLOCK_TAI = 11;
const CPUCLOCK_WHICH = 3;
const CPUCLOCK_SCHED = 2;
const CPUCLOCK_PERTHREAD = 4;
const TIMER_ABSTIME = 1;
const TIMER_SIGNALS = [SIGALRM, SIGVTALRM, SIGPROF];

/** Clocks, sleeps and timers, all in virtual time. */
export const timeSyscalls: GuestSyscallTable = {
  101: {
    name: 'nanosleep',
    args: 'pp',
    note: 'virtual time',
    run: (guest) => hrtimerNanosleep(guest, guest.u(0), guest.u(1)),
  },
  102: {
    name: 'getitimer',
    args: 'dp',
    note: 'every timer counts real time',
    *run(guest) {
      if (TIMER_SIGNALS[guest.int(0)] === undefined) return -EINVAL;
      return yield* writeUser(guest.mm, guest.u(1), encodeTimer(guest.process.image!.doGetitimer(guest.int(0))));
    },
  },
  103: { name: 'setitimer', args: 'dpp', note: 'every timer counts real time', run: setitimer },
  112: fixed('clock_settime', 'dp', { ret: -1, note: '-EPERM: time is the machine’s' }),
  113: {
    name: 'clock_gettime',
    args: 'dp',
    note: 'virtual time, the same for every clock but the date',
    *run(guest) {
      if (!isClock(guest, guest.int(0))) return -EINVAL;
      return yield* writeUser(guest.mm, guest.u(1), timespec(clockTicks(guest, guest.int(0)), NS_PER_TICK));
    },
  },
  114: {
    name: 'clock_getres',
    args: 'dp',
    note: 'a microsecond',
    *run(guest) {
      if (!isClock(guest, guest.int(0))) return -EINVAL;
      return guest.u(1) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(1), words64(0, NS_PER_TICK));
    },
  },
  115: { name: 'clock_nanosleep', args: 'ddpp', note: 'virtual time', run: clockNanosleep },
  153: {
    name: 'times',
    args: 'p',
    note: 'all time is user time',
    *run(guest) {
      const jiffies = Math.floor(now(guest) / 10_000);
      const error = guest.u(0) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(0), words64(jiffies, 0, 0, 0));
      return error || jiffies;
    },
  },
  169: {
    name: 'gettimeofday',
    args: 'pp',
    note: 'virtual time',
    *run(guest) {
      if (guest.u(0) === 0) return 0;
      return yield* writeUser(guest.mm, guest.u(0), timespec(clockTicks(guest, CLOCK_REALTIME), 1));
    },
  },
};

function now(guest: GuestThread): number {
  return guest.process.machine.kernel.scheduler.clock.nowTicks;
}

/** A clock that counts for everybody, or the CPU clock of a process or a thread of one's own. */
function isClock(guest: GuestThread, id: number): boolean {
  return id >= 0 ? id <= CLOCK_TAI : isCpuClock(guest, id);
}

/** The complement of a pid above three bits of kind. Linux: part of kernel/time/posix-cpu-timers.c:pid_for_clock() */
function isCpuClock({ process }: GuestThread, id: number): boolean {
  const pid = ~(id >> 3);
  if ((id & CPUCLOCK_WHICH) > CPUCLOCK_SCHED) return false;
  if (pid === 0) return true;
  const { machine, owner } = process;
  if (id & CPUCLOCK_PERTHREAD) return machine.threadByTid(pid)?.process === process;
  return machine.process(pid)?.owner === owner;
}

/** Microseconds from the machine's start to 0 of clock `id`, as a negative number or 0. */
function clockOffset(id: number): number {
  const isDate = id === CLOCK_REALTIME || id === CLOCK_REALTIME_COARSE || id === CLOCK_TAI;
  return isDate ? EPOCH_SECONDS * TICKS_PER_SECOND : 0;
}

function clockTicks(guest: GuestThread, id: number): number {
  return now(guest) + clockOffset(id);
}

function timespec(ticks: number, unit: number): Uint8Array {
  return words64(Math.floor(ticks / TICKS_PER_SECOND), (ticks % TICKS_PER_SECOND) * unit);
}

/** Microseconds of a struct timespec, rounded up; -EFAULT, -EINVAL. */
function* readTimespec(guest: GuestThread, addr: number): Coroutine<number> {
  const view = yield* readUserView(guest.mm, addr, 16);
  if (typeof view === 'number') return -EFAULT;
  const seconds = readS64(view, 0);
  const nanoseconds = readU64(view, 8);
  if (seconds < 0 || nanoseconds >= 1_000_000_000) return -EINVAL;
  return Math.min(seconds, MAX_SECONDS) * TICKS_PER_SECOND + Math.ceil(nanoseconds / NS_PER_TICK);
}

/** The deadline that an optional relative timespec means; null without one; a negative errno. */
export function* readDeadline(guest: GuestThread, addr: number): Coroutine<number | null> {
  if (addr === 0) return null;
  const ticks = yield* readTimespec(guest, addr);
  return ticks < 0 ? ticks : now(guest) + ticks;
}

/** The deadline that an absolute timespec of clock `id` means; null without one; a negative errno. */
export function* readAbsolute(guest: GuestThread, addr: number, id: number): Coroutine<number | null> {
  if (addr === 0) return null;
  const ticks = yield* readTimespec(guest, addr);
  return ticks < 0 ? ticks : Math.max(0, ticks - clockOffset(id));
}

/** Linux: kernel/time/hrtimer.c:hrtimer_nanosleep() */
function* hrtimerNanosleep(guest: GuestThread, request: number, remainder: number): Coroutine<number> {
  const ticks = yield* readTimespec(guest, request);
  if (ticks < 0) return ticks;
  const deadline = guest.deadlineOf(now(guest) + ticks)!;
  if (yield* sleepUntil(guest.thread, deadline)) return 0;
  if (remainder !== 0) {
    const error = yield* writeUser(guest.mm, remainder, timespec(Math.max(0, deadline - now(guest)), NS_PER_TICK));
    if (error !== 0) return error;
  }
  guest.restartDeadline = deadline;
  return -ERESTART_RESTARTBLOCK;
}

function* clockNanosleep(guest: GuestThread): Coroutine<number> {
  const clock = guest.int(0);
  if (!isClock(guest, clock)) return -EINVAL;
  if (!(guest.int(1) & TIMER_ABSTIME)) return yield* hrtimerNanosleep(guest, guest.u(2), guest.u(3));
  const deadline = yield* readAbsolute(guest, guest.u(2), clock);
  if (deadline === null) return -EFAULT;
  if (deadline < 0) return deadline;
  return (yield* sleepUntil(guest.thread, deadline)) ? 0 : -ERESTARTNOHAND;
}

/** Writes back how much of a wait's time is left, where the caller gave a timespec. Linux: fs/select.c:poll_select_finish() */
export function* pollSelectFinish(guest: GuestThread, addr: number, deadline: number | null): Coroutine<void> {
  if (addr === 0 || deadline === null) return;
  yield* writeUser(guest.mm, addr, timespec(Math.max(0, deadline - now(guest)), NS_PER_TICK));
}

function* setitimer(guest: GuestThread): Coroutine<number> {
  const which = guest.int(0);
  const signo = TIMER_SIGNALS[which];
  if (signo === undefined) return -EINVAL;
  const view = guest.u(1) === 0 ? new DataView(new ArrayBuffer(32)) : yield* readUserView(guest.mm, guest.u(1), 32);
  if (typeof view === 'number') return view;
  const ticksAt = (at: number): number =>
    Math.min(readU64(view, at), MAX_SECONDS) * TICKS_PER_SECOND + readU64(view, at + 8);
  const [intervalTicks, valueTicks] = [ticksAt(0), ticksAt(16)];
  if (readU64(view, 8) >= TICKS_PER_SECOND || readU64(view, 24) >= TICKS_PER_SECOND) return -EINVAL;
  if (readS64(view, 0) < 0 || readS64(view, 16) < 0) return -EINVAL;
  const image = guest.process.image!;
  const old = encodeTimer(image.doGetitimer(which));
  image.doSetitimer(which, signo, { valueTicks, intervalTicks });
  return guest.u(2) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(2), old);
}

function encodeTimer({ valueTicks, intervalTicks }: TimerSetting): Uint8Array {
  const parts = (ticks: number): number[] => [Math.floor(ticks / TICKS_PER_SECOND), ticks % TICKS_PER_SECOND];
  return words64(...parts(intervalTicks), ...parts(valueTicks));
}
