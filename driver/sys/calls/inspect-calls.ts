import { EBUSY, EFAULT, EINVAL, ESRCH } from '../../../uapi/errno.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import type { Coroutine } from '../../core/effect.js';
import { heldNames } from '../../core/scheduler.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { khugepagedTurn } from '../../mm/huge/khugepaged.js';
import { checkInvariants, checkTouched } from '../../mm/invariants.js';
import { pageTableText } from '../../mm/tables/page-table-text.js';
import { HOLDS, type HoldName } from '../machine/holds.js';
import { pageStateText } from '../machine/inspect-text.js';
import type { Thread } from '../processes/thread.js';
import type { SyscallTable } from './syscall.js';

/**
 * Not of Linux: what a test needs that no program may see or do. They go through the one table, so that a test which runs
 * over a socket can use them too.
 */
export const inspectCalls: SyscallTable = {
  inspect: {
    args: 's?nnn',
    run: (thread, args) => inspect(thread, args),
    note: 'state of the machine or of [addr, addr + len) of the caller as UTF-8 text',
  },
  hold: {
    args: 'snn',
    run: (thread, [what, addr, len]) =>
      hold(thread, what as string, { start: addr as number, end: (addr as number) + (len as number) }),
    note: 'stands in the way of others as lock, reference or migration of the pages does, until letGo',
  },
  letGo: {
    args: 'n',
    *run(thread, [tid]) {
      const holder = thread.process.machine.threadByTid(tid as number);
      const queue = holder?.process.owner === thread.process.owner ? holder.task.waitingOn : null;
      if (queue?.what !== HELD) return -ESRCH;
      queue.wakeAll();
      return 0;
    },
    note: 'ends the hold of thread tid',
  },
  khugepaged: {
    args: '',
    run: ({ process }) => khugepagedTurn(process.machine.memory),
    note: 'one turn of khugepaged now, by the caller: what it would do at the end of its sleep; -EBUSY while another one runs',
  },
};

/** A report is made in one step, and a hold notes every page, so a range without end would hold up everybody. */
const MAX_SHOWN_BYTES = 2 ** 24;

type Report = (thread: Thread, a: number, b: number) => string;

/** What `inspect` can show, by name; the two numbers are an address and a length unless it says otherwise. */
const REPORTS: Readonly<Record<string, Report>> = {
  page_table: ({ process }, addr, len) => pageTableText(process.mm, addr, addr + len),
  pages: ({ process }, addr, len) => pageStateText(process.mm, addr, addr + len),
  stats: ({ process }) => JSON.stringify(process.machine.memory.stats),
  reset_stats({ process }) {
    process.machine.memory.stats.reset();
    return '';
  },
  locks: ({ process }) => lockText(process.machine.allThreads()),
  ticks: ({ process }) => String(process.machine.kernel.scheduler.clock.nowTicks),
  /** Begins a new schedule; the first number is its seed. */
  seed({ process }, seed) {
    process.machine.kernel.scheduler.policy.reset(seed);
    return '';
  },
  touched({ process }, addr, len) {
    checkTouched(process.mm, addr, addr + len);
    return '';
  },
  /** Everything; an assertion ends the machine's run when something does not hold. */
  invariants({ process }) {
    checkInvariants(process.machine.memory);
    process.machine.devices.checkInvariants();
    return '';
  },
};

/** Reports that are only true while nobody else is in the kernel. */
const ALONE = new Set(['touched', 'invariants']);

function* inspect(thread: Thread, [what, a = 0, b = 0]: readonly CallArg[]): Coroutine<number | CallResult> {
  const name = what as string;
  const report = Object.hasOwn(REPORTS, name) ? REPORTS[name] : undefined;
  if (report === undefined || (b as number) > MAX_SHOWN_BYTES) return -EINVAL;
  if (ALONE.has(name) && thread.process.machine.kernel.scheduler.busyCount > 0) return -EBUSY;
  const bytes = new TextEncoder().encode(report(thread, a as number, b as number));
  return { ret: bytes.length, bytes };
}

/** One line for each thread that holds a lock; empty when nobody is in the kernel. */
function lockText(threads: Iterable<Thread>): string {
  const lines: string[] = [];
  for (const { task } of threads) if (task.heldMask !== 0) lines.push(`${task.name}: ${heldNames(task).join(', ')}`);
  return lines.join('\n');
}

const HELD = 'letGo';

/** Blocks until `letGo`; 0, or -EFAULT when a page is not there or can't be held. */
function* hold(thread: Thread, what: string, range: { start: number; end: number }): Coroutine<number> {
  if (!Object.hasOwn(HOLDS, what)) return -EINVAL;
  const { mm } = thread.process;
  if (range.start % PAGE_SIZE !== 0 || range.end % PAGE_SIZE !== 0 || range.end <= range.start) return -EINVAL;
  if (range.end - range.start > MAX_SHOWN_BYTES) return -EINVAL;
  yield* mm.mmapLock.readLock();
  const release = yield* HOLDS[what as HoldName](mm, range);
  if (release !== null) {
    yield new WaitQueue(HELD);
    yield* release();
  }
  mm.mmapLock.readUnlock();
  return release === null ? -EFAULT : 0;
}
