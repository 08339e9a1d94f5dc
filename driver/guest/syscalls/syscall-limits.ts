import { EINVAL, EPERM, ESRCH } from '../../../uapi/errno.js';
import { RLIMIT, RLIMIT_COUNT } from '../../../uapi/resource.js';
import { readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import type { Process } from '../../sys/processes/process.js';
import { readUserView, words64, writeUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const STACK_LIMIT = 8 * 2 ** 20;
/**
 * Those that can't be set. Of the others that of the address space is kept, and nothing else ever stops root, who everybody is here: locked memory, processes,
 * queues and priorities are root's without limit, Linux itself keeps none of resident memory and file locks, and cores are not written.
 */
const UNKEPT = new Map(
  (['cpu', 'fsize', 'data', 'stack', 'nofile', 'sigpending', 'rttime'] as const).map((name) => [
    RLIMIT[name] as number,
    `RLIMIT_${name.toUpperCase()}`,
  ]),
);

/** The limits of a process. */
export const limitSyscalls: GuestSyscallTable = {
  163: {
    name: 'getrlimit',
    args: 'dp',
    note: 'whole',
    run: (guest) => writeLimit(guest.process, guest.mm, { resource: guest.int(0), addr: guest.u(1) }),
  },
  164: {
    name: 'setrlimit',
    args: 'dp',
    note: 'as prlimit64',
    run: (guest) => setLimit(guest, guest.process, { resource: guest.int(0), addr: guest.u(1) }),
  },
  261: {
    name: 'prlimit64',
    args: 'ddpp',
    note: 'RLIMIT_AS is kept; those that never stop root are taken; CPU, FSIZE, DATA, STACK, NOFILE, SIGPENDING and RTTIME only as they are',
    run: prlimit64,
  },
};

interface LimitAt {
  readonly resource: number;
  readonly addr: number;
}

function* writeLimit(process: Process, mm: GuestThread['mm'], { resource, addr }: LimitAt): Coroutine<number> {
  if (resource < 0 || resource >= RLIMIT_COUNT) return -EINVAL;
  return yield* writeUser(mm, addr, rlimitBytes(limitOf(process, resource)));
}

function limitOf({ limits, machine }: Process, resource: number): readonly [number, number] {
  const set = limits.get(resource);
  if (set !== undefined) return set;
  const fixed =
    resource === RLIMIT.stack ? STACK_LIMIT : resource === RLIMIT.nofile ? machine.options.maxFiles : Infinity;
  return [fixed, fixed];
}

/** No limit that is not kept is taken. Linux: part of kernel/sys.c:do_prlimit() */
function* setLimit(guest: GuestThread, process: Process, { resource, addr }: LimitAt): Coroutine<number> {
  const asked = yield* readUserView(guest.mm, addr, 16);
  if (typeof asked === 'number') return asked;
  if (resource < 0 || resource >= RLIMIT_COUNT) return -EINVAL;
  const [current, most] = [limitAt(asked, 0), limitAt(asked, 8)];
  if (current > most) return -EINVAL;
  const own = limitOf(process, resource);
  if (current === own[0] && most === own[1]) return 0;
  const unkept = UNKEPT.get(resource);
  if (unkept !== undefined) {
    guest.host.unsupported(`setrlimit of ${unkept}`);
    return -EPERM;
  }
  process.limits.set(resource, [current, most]);
  return 0;
}

function rlimitBytes([current, most]: readonly [number, number]): Uint8Array {
  return words64(current === Infinity ? -1 : current, most === Infinity ? -1 : most);
}

/** RLIM_INFINITY is 2^64 - 1, which a number rounds up. */
function limitAt(record: DataView, offset: number): number {
  const value = readU64(record, offset);
  return value >= 2 ** 64 ? Infinity : value;
}

function* prlimit64(guest: GuestThread): Coroutine<number> {
  const pid = guest.int(0);
  const process = pid === 0 ? guest.process : guest.process.machine.process(pid);
  if (process === null || process.owner !== guest.process.owner) return -ESRCH;
  const resource = guest.int(1);
  if (resource < 0 || resource >= RLIMIT_COUNT) return -EINVAL;
  const before = rlimitBytes(limitOf(process, resource));
  if (guest.u(2) !== 0) {
    const error = yield* setLimit(guest, process, { resource, addr: guest.u(2) });
    if (error !== 0) return error;
  }
  return guest.u(3) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(3), before);
}
