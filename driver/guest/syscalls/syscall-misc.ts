import { EINVAL, EPERM } from '../../../uapi/errno.js';
import { writeU64 } from '../../../uapi/u64.js';
import { type Coroutine, preemptPoint } from '../../core/effect.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { fillRandom } from '../../sys/files/dev-nodes.js';
import { COMM_LEN } from '../../sys/processes/program-image.js';
import { readUserView, strncpyFromUser, words32, words64, writeUser } from '../../sys/processes/user-memory.js';
import { newUserfaultfd } from '../../sys/userfaultfd/userfault-fd.js';
import { fixed, type GuestSyscall, type GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const YIELD_POINT = preemptPoint('sched_yield');
const UTSNAME_FIELD = 65;
const RUSAGE_CHILDREN = -1;
const RUSAGE_SELF = 0;
const RUSAGE_THREAD = 1;
const RUSAGE_BYTES = 144;
const RU_MINFLT = 64;
const PR_SET_PDEATHSIG = 1;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_THP_DISABLE = 41;
const PR_GET_THP_DISABLE = 42;
const PR_SET_VMA = 0x53564d41;
/** Commands from MEMBARRIER_CMD_GLOBAL to MEMBARRIER_CMD_GET_REGISTRATIONS, as bits; 0 asks for them. */
const MEMBARRIER_ALL = 0x3ff;
const MEMBARRIER_PRIVATE_EXPEDITED_RSEQ = 0x80;
const MEMBARRIER_PRIVATE = 0xa8;
const MEMBARRIER_REGISTERS = 0x154;
const MEMBARRIER_GET_REGISTRATIONS = 0x200;
const MEMBARRIER_FLAG_CPU = 1;
const RANDOM_CHUNK = 2 ** 20;
const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
const PRIO_BIAS = 20;

/** What a call sets can only be 0, which it is: anything else is refused. */
function only(
  name: string,
  args: string,
  { arg, error, note }: { arg: number; error: number; note: string },
): GuestSyscall {
  return {
    name,
    args,
    note,
    *run(guest) {
      return guest.int(arg) === 0 ? 0 : -error;
    },
  };
}

/** Identity and whatever else start-up code asks for. */
export const miscSyscalls: GuestSyscallTable = {
  119: {
    name: 'sched_setscheduler',
    args: 'ddp',
    note: 'SCHED_OTHER, which everybody has',
    *run(guest) {
      const param = yield* readUserView(guest.mm, guest.u(2), 4);
      if (typeof param === 'number') return param;
      return guest.int(1) === 0 && param.getInt32(0, true) === 0 ? 0 : -EINVAL;
    },
  },
  120: fixed('sched_getscheduler', 'd', { ret: 0, note: 'SCHED_OTHER' }),
  122: {
    name: 'sched_setaffinity',
    args: 'dnp',
    note: 'there is one CPU',
    *run(guest) {
      if (guest.u(1) === 0) return -EINVAL;
      const mask = yield* readUserView(guest.mm, guest.u(2), 1);
      if (typeof mask === 'number') return mask;
      return mask.getUint8(0) & 1 ? 0 : -EINVAL;
    },
  },
  123: {
    name: 'sched_getaffinity',
    args: 'dnp',
    note: 'there is one CPU',
    *run(guest) {
      if (guest.u(1) < 8 || guest.u(1) % 8 !== 0) return -EINVAL;
      return (yield* writeUser(guest.mm, guest.u(2), words64(1))) || 8;
    },
  },
  124: {
    name: 'sched_yield',
    args: '',
    note: 'whole',
    *run() {
      yield YIELD_POINT;
      return 0;
    },
  },
  140: only('setpriority', 'ddd', { arg: 2, error: EPERM, note: 'nice 0' }),
  141: fixed('getpriority', 'dd', { ret: PRIO_BIAS, note: 'nice 0' }),
  144: only('setgid', 'd', { arg: 0, error: EINVAL, note: 'root is the only group' }),
  146: only('setuid', 'd', { arg: 0, error: EINVAL, note: 'root is the only user' }),
  160: { name: 'uname', args: 'p', note: 'Linux 6.12.0', run: uname },
  165: {
    name: 'getrusage',
    args: 'dp',
    note: 'page faults, of the threads that live',
    run: getrusage,
  },
  167: { name: 'prctl', args: 'dxxxx', note: 'the name; a few others without effect', run: prctl },
  168: {
    name: 'getcpu',
    args: 'ppp',
    note: 'there is one CPU',
    *run(guest) {
      for (const i of [0, 1]) {
        const error = guest.u(i) === 0 ? 0 : yield* writeUser(guest.mm, guest.u(i), words32(0));
        if (error !== 0) return error;
      }
      return 0;
    },
  },
  174: fixed('getuid', '', { ret: 0, note: 'everybody is root' }),
  175: fixed('geteuid', '', { ret: 0, note: 'everybody is root' }),
  176: fixed('getgid', '', { ret: 0, note: 'everybody is root' }),
  177: fixed('getegid', '', { ret: 0, note: 'everybody is root' }),
  179: { name: 'sysinfo', args: 'p', note: 'memory and time', run: sysinfo },
  258: fixed('riscv_hwprobe', 'pnnpx', { ret: -38, note: '-ENOSYS, which C libraries expect of old kernels' }),
  259: {
    name: 'riscv_flush_icache',
    args: 'ppx',
    note: 'whole',
    *run(guest) {
      guest.cpu.flushCode();
      return 0;
    },
  },
  278: { name: 'getrandom', args: 'pnx', note: "from the machine's seed", run: getrandom },
  282: {
    name: 'userfaultfd',
    args: 'x',
    note: 'whole',
    run: (guest) => newUserfaultfd(guest.thread, guest.int(0)),
  },
  283: {
    name: 'membarrier',
    args: 'dxd',
    note: 'registered; nothing more to do on one CPU',
    run: membarrier,
  },
  293: { name: 'rseq', args: 'pnxx', note: 'CPU 0 is filled in; critical sections are not restarted', run: rseq },
};

/** Linux: kernel/sys.c:getrusage() */
function* getrusage(guest: GuestThread): Coroutine<number> {
  const who = guest.int(0);
  if (who < RUSAGE_CHILDREN || who > RUSAGE_THREAD) return -EINVAL;
  const all = who === RUSAGE_SELF ? guest.process.threads : [];
  const threads = who === RUSAGE_THREAD ? [guest.thread] : all;
  const view = new DataView(new ArrayBuffer(RUSAGE_BYTES));
  const sum = (kind: 'minor' | 'major'): number => threads.reduce((total, { task }) => total + task.faults[kind], 0);
  writeU64(view, RU_MINFLT, sum('minor'));
  writeU64(view, RU_MINFLT + 8, sum('major'));
  return yield* writeUser(guest.mm, guest.u(1), new Uint8Array(view.buffer));
}

function* uname(guest: GuestThread): Coroutine<number> {
  const out = new Uint8Array(6 * UTSNAME_FIELD);
  const fields = ['Linux', 'dmirror', '6.12.0', '#1 SMP', 'riscv64', '(none)'];
  fields.forEach((field, i) => {
    out.set(new TextEncoder().encode(field), i * UTSNAME_FIELD);
  });
  return yield* writeUser(guest.mm, guest.u(0), out);
}

function* sysinfo(guest: GuestThread): Coroutine<number> {
  const { memory, kernel } = guest.process.machine;
  const out = new DataView(new ArrayBuffer(112));
  const uptime = Math.floor(kernel.scheduler.clock.nowTicks / 1_000_000);
  const values = [
    uptime,
    0,
    0,
    0,
    memory.frames.systemFrames * PAGE_SIZE,
    Math.max(0, memory.allocator.available) * PAGE_SIZE,
    0,
    0,
  ];
  values.push(memory.swap.capacity * PAGE_SIZE, (memory.swap.capacity - memory.swap.used) * PAGE_SIZE);
  values.forEach((value, i) => {
    writeU64(out, 8 * i, value);
  });
  out.setUint16(80, guest.process.machine.allProcesses().length, true);
  out.setUint32(104, 1, true);
  return yield* writeUser(guest.mm, guest.u(0), new Uint8Array(out.buffer));
}

function* getrandom(guest: GuestThread): Coroutine<number> {
  const flags = guest.int(2);
  if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
  if (flags & GRND_RANDOM && flags & GRND_INSECURE) return -EINVAL;
  const out = new Uint8Array(Math.min(guest.u(1), RANDOM_CHUNK));
  fillRandom(guest.process.machine.kernel.prng, out);
  return (yield* writeUser(guest.mm, guest.u(0), out)) || out.length;
}

/** Linux: kernel/sched/membarrier.c */
function* membarrier(guest: GuestThread): Coroutine<number> {
  const [command, flags] = [guest.int(0), guest.int(1)];
  if (command === 0) return flags === 0 ? MEMBARRIER_ALL : -EINVAL;
  const isOne = (command & (command - 1)) === 0 && (command & MEMBARRIER_ALL) !== 0;
  const takesCpu = command === MEMBARRIER_PRIVATE_EXPEDITED_RSEQ && flags === MEMBARRIER_FLAG_CPU;
  if (!isOne || !(flags === 0 || takesCpu)) return -EINVAL;
  const { mm } = guest;
  if (command === MEMBARRIER_GET_REGISTRATIONS) return mm.membarriers;
  if (command & MEMBARRIER_REGISTERS) mm.membarriers |= command;
  // To register is the next bit.
  else if (command & MEMBARRIER_PRIVATE && !(mm.membarriers & (command << 1))) return -EPERM;
  return 0;
}

function* prctl(guest: GuestThread): Coroutine<number> {
  const image = guest.process.image!;
  switch (guest.int(0)) {
    case PR_SET_NAME: {
      const name = yield* strncpyFromUser(guest.mm, guest.u(1), 256);
      if (typeof name === 'number') return name;
      image.comm = name.slice(0, COMM_LEN);
      return 0;
    }
    case PR_GET_NAME:
      return yield* writeUser(guest.mm, guest.u(1), new TextEncoder().encode(image.comm.padEnd(16, '\0')));
    case PR_GET_DUMPABLE:
      return 1;
    case PR_SET_DUMPABLE:
    case PR_SET_PDEATHSIG:
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_THP_DISABLE:
    case PR_SET_VMA:
      return 0;
    case PR_SET_THP_DISABLE:
      return guest.u(1) === 0 ? 0 : -EINVAL;
    default:
      return -EINVAL;
  }
}

/** struct rseq: cpu_id_start, cpu_id. Linux: kernel/rseq.c */
function* rseq(guest: GuestThread): Coroutine<number> {
  if (guest.u(0) % 32 !== 0) return -EINVAL;
  const isUnregister = (guest.int(2) & 1) !== 0;
  if (guest.u(1) < 32) return isUnregister ? -EPERM : -EINVAL;
  return yield* writeUser(guest.mm, guest.u(0), words32(0, isUnregister ? -1 : 0));
}
