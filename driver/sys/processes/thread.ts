import { ESRCH } from '../../../uapi/errno.js';
import { RLIMIT } from '../../../uapi/resource.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import type { Task, TaskProgram } from '../../core/task.js';
import { doExit } from './exit.js';
import type { Process } from './process.js';
import { signalPending, type ThreadSignals } from './program-signals.js';

/** One system call on its way. */
export class Call {
  done = false;
  result: CallResult | undefined;
  /** Runs when the result is there, still inside the machine's run: it must not call into the machine. */
  onDone: ((result: CallResult) => void) | undefined;
  /** The same for whoever watches the machine, and before. */
  onResult: ((result: CallResult) => void) | undefined;
  /** Where a load is to put what it reads; new memory unless given. */
  into: Uint8Array | undefined;

  constructor(
    readonly name: string,
    readonly args: readonly CallArg[],
    readonly body: () => Coroutine<CallResult>,
  ) {}

  finish(result: CallResult): void {
    this.done = true;
    this.result = result;
    this.onResult?.(result);
    this.onDone?.(result);
  }
}

/** Where memory is to come from, on a machine of one node. Linux: struct mempolicy */
export interface Mempolicy {
  /** With its flags. */
  readonly mode: number;
  readonly hasNode: boolean;
}

/** One flow of control of a process: it runs one system call at a time, further ones wait in order. */
export class Thread implements TaskProgram {
  readonly task: Task;
  /** A caught signal came while the thread slept in wait(2). */
  isInterrupted = false;
  isDead = false;
  /** What comes when the parent ends; 0: nothing. Linux: task_struct.pdeath_signal */
  parentDeathSignal = 0;
  /** null: the default one. Linux: task_struct.mempolicy */
  mempolicy: Mempolicy | null = null;
  /** No program may give it new rights, nor its children. Linux: PFA_NO_NEW_PRIVS */
  noNewPrivs = false;
  /** Mask and queue of a thread that runs a program; null: a client drives it. */
  signals: ThreadSignals | null = null;
  /** Scratch page for ioctlBytes, 0 before the first. */
  scratchAddr = 0;
  private readonly queue: Call[] = [];
  private current: Call | null = null;

  constructor(
    readonly process: Process,
    readonly tid: number,
  ) {
    const { kernel } = process.machine;
    this.task = kernel.scheduler.newTask(`${process.pid}/${tid}`, this);
  }

  /** What a new task has of the one that made it. Linux: part of kernel/fork.c:copy_process() */
  inherit({ mempolicy, noNewPrivs }: Thread): void {
    this.mempolicy = mempolicy;
    this.noNewPrivs = noNewPrivs;
  }

  get limitAs(): number {
    return this.process.limits.get(RLIMIT.as)?.[0] ?? Infinity;
  }

  signalPending(): boolean {
    return signalPending(this);
  }

  /** The call that is inside the kernel. */
  get currentCall(): Call | null {
    return this.current;
  }

  /** Puts `call` behind the calls that were started before. */
  enqueue(call: Call): void {
    if (this.isDead) {
      call.finish({ ret: -ESRCH });
      return;
    }
    this.queue.push(call);
    if (this.current === null && this.task.state === 'idle') this.startNext();
  }

  /** A fatal signal: a sleeper that can be killed wakes up, and the thread ends instead of returning to user. */
  die(): void {
    const { task } = this;
    task.killed = true;
    if (task.state === 'idle') task.scheduler.start(task, this.exitOnly(), () => this.ended());
    else task.scheduler.interrupt(task);
  }

  /** A signal has come that the thread does not block. Linux: include/linux/sched/signal.h:signal_wake_up() */
  signalWakeUp(): void {
    if (this.task.isInterruptible) this.task.scheduler.interrupt(this.task);
  }

  private startNext(): void {
    const call = this.queue.shift();
    if (call === undefined) return;
    this.current = call;
    this.task.scheduler.start(this.task, this.oneCall(call), (result) => this.returned(call, result));
    this.task.doing = call.name;
  }

  private *oneCall(call: Call): Coroutine<CallResult> {
    const { machine } = this.process;
    machine.kernel.emit('syscall', { name: call.name, tid: this.tid });
    const { inject } = machine.kernel;
    if (inject.armed)
      inject.beginCall(this.task, { pid: this.process.pid, tid: this.tid, name: call.name, args: call.args });
    const { verbose } = machine.trace;
    if (verbose) machine.kernel.emit('span', { span: 'syscall', name: call.name, phase: 'begin', ret: 0 });
    const result = yield* call.body();
    yield* machine.taskWorkRun(this.task);
    if (verbose) machine.kernel.emit('span', { span: 'syscall', name: call.name, phase: 'end', ret: result.ret });
    if (inject.armed) inject.endCall(this.task);
    if (this.task.killed) yield* doExit(this);
    return result;
  }

  private *exitOnly(): Coroutine<void> {
    yield* doExit(this);
  }

  private returned(call: Call, result: CallResult): void {
    assert(this.current === call, 'thread % finishes a call that it does not run', this.tid);
    this.current = null;
    call.finish(result);
    if (this.isDead) this.ended();
    else if (this.task.killed) this.die();
    else this.startNext();
  }

  /** The thread is no more: what was queued behind never runs. */
  private ended(): void {
    this.isDead = true;
    for (const call of this.queue.splice(0)) call.finish({ ret: -ESRCH });
  }
}
