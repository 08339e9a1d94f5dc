import { SIGCONT, SIGHUP, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } from '../../../uapi/signal.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Process } from './process.js';
import type { ProgramSignals } from './program-signals.js';
import { doNotifyParentCldstop, sendSignal } from './send-signal.js';
import { CLD_CONTINUED, CLD_STOPPED, SI_KERNEL } from './signal-info.js';
import type { Thread } from './thread.js';

export const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

/**
 * How a program's process stops and goes on. A stop is a matter of all its threads: the one that takes the signal asks
 * the others, each stops on its way to user mode, and the last one tells the parent. Linux: the group stop of
 * signal_struct
 */
export class JobControl {
  /** Signal of the stop that wait(2) has yet to report; 0: none. Linux: group_exit_code */
  unreportedStop = 0;
  /** It went on and wait(2) has yet to report it. Linux: SIGNAL_STOP_CONTINUED */
  isContinued = false;
  /** Linux: SIGNAL_STOP_STOPPED */
  isStopped = false;
  /** Threads that are asked to stop and have not yet. Linux: group_stop_count */
  private pendingCount = 0;
  /** What the first thread that runs again tells the parent; 0: nothing. Linux: SIGNAL_CLD_MASK */
  private notice = 0;
  private readonly resumed = new WaitQueue('SIGCONT, being stopped');

  constructor(
    private readonly process: Process,
    private readonly signals: ProgramSignals,
  ) {}

  /** What sending a stop signal or SIGCONT does at once, whoever blocks or handles it. Linux: kernel/signal.c:prepare_signal() */
  prepareSignal(signo: number): void {
    if (STOP_SIGNALS.includes(signo)) this.signals.flushSigqueueMask([SIGCONT]);
    if (signo !== SIGCONT) return;
    this.signals.flushSigqueueMask(STOP_SIGNALS);
    for (const thread of this.process.threads) thread.signals!.stopPending = false;
    if (this.isStopped) this.notice = CLD_CONTINUED;
    else if (this.pendingCount > 0) this.notice = CLD_STOPPED;
    if (this.isStopped || this.pendingCount > 0) {
      this.isStopped = false;
      this.isContinued = true;
      this.pendingCount = 0;
      this.unreportedStop = 0;
    }
    this.resumed.wakeAll();
  }

  /** The process is going to die: that it stopped is of no interest any more. Linux: SIGNAL_GROUP_EXIT */
  end(): void {
    this.isStopped = false;
    this.isContinued = false;
    this.notice = 0;
    this.pendingCount = 0;
    this.unreportedStop = 0;
  }

  /** On every thread's way to user mode. */
  get hasNotice(): boolean {
    return this.notice !== 0;
  }

  notifyParent(): void {
    if (this.notice === 0) return;
    const code = this.notice;
    this.notice = 0;
    doNotifyParentCldstop(this.process, code, code === CLD_CONTINUED ? SIGCONT : this.unreportedStop);
  }

  /** `thread` has taken a stop signal by default, and asks all others to stop too. Linux: kernel/signal.c:do_signal_stop() */
  doSignalStop(signo: number): void {
    if (!this.isStopped) this.unreportedStop = signo;
    this.pendingCount = 0;
    for (const thread of this.process.threads) {
      if (this.resumed.waiters.includes(thread.task)) continue;
      thread.signals!.stopPending = true;
      this.pendingCount++;
      thread.signalWakeUp();
    }
  }

  /** The running thread stops until SIGCONT or its end. */
  *stop(thread: Thread): Coroutine<void> {
    assert(thread.signals!.stopPending, 'thread % stops unasked', thread.tid);
    this.taskParticipateGroupStop(thread);
    if (!thread.task.killed) yield this.resumed;
  }

  /** `thread` has stopped or ends: the last one completes the stop. Linux: kernel/signal.c:task_participate_group_stop() */
  taskParticipateGroupStop(thread: Thread): void {
    if (!thread.signals!.stopPending) return;
    thread.signals!.stopPending = false;
    if (--this.pendingCount > 0 || this.isStopped) return;
    this.isStopped = true;
    this.isContinued = false;
    this.notice = 0;
    doNotifyParentCldstop(this.process, CLD_STOPPED, this.unreportedStop);
  }
}

/**
 * No process of the group has its parent in another group of the session, so nobody could let it go on; only SIGSTOP
 * stops such a group. `leaving` does not count. Linux: kernel/exit.c:will_become_orphaned_pgrp()
 */
export function willBecomeOrphanedPgrp(group: Process, leaving: Process | null = null): boolean {
  return !membersOf(group).some((member) => {
    const { state, parent, sid } = member;
    if (member === leaving || state !== 'running' || parent === null) return false;
    return parent.pgid !== group.pgid && parent.sid === sid;
  });
}

function membersOf({ machine, pgid, owner }: Process): Process[] {
  return machine.allProcesses().filter((process) => process.pgid === pgid && process.owner === owner);
}

/**
 * The group of `member` loses a tie to `parent`, through which somebody might have let it go on: were there stopped
 * processes in it, they would stay so for ever. Linux: kernel/exit.c:kill_orphaned_pgrp()
 */
export function killOrphanedPgrp(member: Process, parent: Process | null, leaving: Process | null): void {
  if (parent === null || parent.pgid === member.pgid || parent.sid !== member.sid) return;
  if (!willBecomeOrphanedPgrp(member, leaving)) return;
  const members = membersOf(member);
  if (!members.some(({ signals }) => signals?.jobs.isStopped)) return;
  for (const signo of [SIGHUP, SIGCONT]) {
    for (const process of members) sendSignal(process, signo, { signo, code: SI_KERNEL });
  }
}
