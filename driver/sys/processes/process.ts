import { GUP_ABI, type GupAbi } from '../../../uapi/gup-abi.js';
import { SIGCHLD } from '../../../uapi/signal.js';
import { assert } from '../../core/assert.js';
import { Access } from '../../core/observer.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Mm } from '../../mm/vmas/mm.js';
import type { FdTable } from '../files/fd-table.js';
import type { Machine } from '../machine/machine.js';
import { killOrphanedPgrp } from './job-control.js';
import type { ProgramImage } from './program-image.js';
import type { ProgramSignals } from './program-signals.js';
import { type Disposition, doNotifyParent, initialDispositions, sendSignal } from './send-signal.js';
import { SI_USER } from './signal-info.js';
import { Thread } from './thread.js';

/** `running`; `zombie`: dead, its parent has not waited for it yet; `reaped`: nothing of it is left. */
export type ProcessState = 'running' | 'zombie' | 'reaped';

/** A process: an address space, descriptors, signal dispositions and one or more threads. */
export class Process {
  state: ProcessState = 'running';
  readonly threads: Thread[] = [];
  readonly main: Thread;
  readonly children: Process[] = [];
  /** Threads of this process that sleep in wait(2). */
  readonly childEvents: WaitQueue;
  dispositions: Map<number, Disposition>;
  /** What its parent gets when it ends; 0: nothing. Linux: task_struct.exit_signal */
  exitSignal = SIGCHLD;
  /** wait(2) status word once the process is going to die, null before. */
  exitStatus: number | null = null;
  /** The numbering of device files that this process opens. */
  dialect: string;
  /** What it means by its calls of gup_test. */
  gupAbi: GupAbi;
  /** Limits that were set, as [current, most], Infinity for none; by their number. Linux: signal_struct.rlim */
  readonly limits: Map<number, readonly [number, number]>;
  /** Whose it is, as a session's number, and its children's too; 0: nobody's in particular. Linux: a pid namespace */
  owner: number;
  /** Of its process group; its own pid begins one. */
  pgid: number;
  sid: number;
  /** Handlers and queues when it runs a program; null: a client drives it, and `dispositions` count. */
  signals: ProgramSignals | null = null;
  /** The program it runs; null: none. */
  image: ProgramImage | null = null;
  /** Runs when its last thread has left, inside the machine's run; it must not call into the machine. */
  onExit: ((status: number) => void) | null = null;

  constructor(
    readonly machine: Machine,
    readonly pid: number,
    public mm: Mm,
    public files: FdTable,
    /** Who may wait for it; null: nobody, it vanishes when it dies. */
    public parent: Process | null,
  ) {
    this.childEvents = new WaitQueue(`child of ${pid}`);
    this.dispositions = parent === null ? initialDispositions() : new Map(parent.dispositions);
    this.dialect = parent === null ? machine.options.dialect : parent.dialect;
    this.gupAbi = parent === null ? GUP_ABI : parent.gupAbi;
    this.limits = new Map(parent?.limits);
    this.owner = parent === null ? 0 : parent.owner;
    this.pgid = parent === null ? pid : parent.pgid;
    this.sid = parent === null ? pid : parent.sid;
    this.main = this.addThread(pid);
    parent?.children.push(this);
  }

  addThread(tid: number): Thread {
    const thread = new Thread(this, tid);
    this.threads.push(thread);
    this.machine.addThread(thread);
    return thread;
  }

  /** Every thread ends at its next return to user; those that are there end now. Linux: kernel/exit.c:do_group_exit(), kernel/signal.c:zap_other_threads() */
  doGroupExit(status: number): void {
    this.machine.touchProcesses(Access.write);
    if (this.exitStatus !== null) return;
    this.exitStatus = status;
    this.signals?.jobs.end();
    for (const thread of [...this.threads]) thread.die();
  }

  /** Wakes threads out of wait(2), for a caught signal. */
  interruptWaits(): void {
    for (const thread of this.threads) {
      if (thread.task.waitingOn === this.childEvents) {
        thread.isInterrupted = true;
        thread.task.scheduler.interrupt(thread.task);
      }
    }
  }

  /** The last thread has left: hand the children over and tell the parent. Linux: kernel/exit.c:exit_notify() */
  exitNotify(): void {
    assert(this.threads.length === 0, 'process % still has threads', this.pid);
    this.machine.touchProcesses(Access.write);
    this.state = 'zombie';
    this.machine.pollers.wakeAll();
    this.onExit?.(this.exitStatus ?? 0);
    for (const child of [...this.children]) {
      child.forgetParent(this.pid);
      killOrphanedPgrp(child, this, null);
    }
    killOrphanedPgrp(this, this.parent, this);
    if (this.parent === null || doNotifyParent(this.parent, this)) this.releaseTask();
    else this.parent.childEvents.wakeAll();
  }

  /** Linux: kernel/exit.c:release_task() */
  releaseTask(): void {
    assert(this.state === 'zombie', 'process % is reaped while it is %', this.pid, this.state);
    this.state = 'reaped';
    const siblings = this.parent?.children;
    siblings?.splice(siblings.indexOf(this), 1);
    this.machine.forgetProcess(this);
  }

  /** Deviates: it is another process that ends, and not the one thread that made this. Linux: part of kernel/exit.c:forget_original_parent() */
  private forgetParent(pid: number): void {
    const siblings = this.parent?.children;
    siblings?.splice(siblings.indexOf(this), 1);
    this.parent = null;
    for (const { parentDeathSignal: signo } of this.threads)
      if (signo > 0) sendSignal(this, signo, { signo, pid, code: SI_USER });
    if (this.state === 'zombie') this.releaseTask();
  }
}
