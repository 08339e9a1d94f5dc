import { EINTR } from '../../uapi/errno.js';
import { BUS_ADRALN, SIGBUS, SIGILL, SIGKILL, SIGTRAP } from '../../uapi/signal.js';
import type { CallResult } from '../../uapi/system-call.js';
import { type Coroutine, preemptPoint } from '../core/effect.js';
import { WaitQueue } from '../core/wait-queue.js';
import type { Cpu } from '../cpu/cpu.js';
import { Trap, type TrapCode } from '../cpu/isa/trap.js';
import { doUserAddrFault, MAX_OOM_RETRIES } from '../mm/faults/access.js';
import { TASK_SIZE } from '../mm/tables/page-table.js';
import type { Mm } from '../mm/vmas/mm.js';
import { VM } from '../mm/vmas/vm-flags.js';
import { isInterrupted } from '../sys/processes/interruptible.js';
import type { Process } from '../sys/processes/process.js';
import type { SignalInfo } from '../sys/processes/signal-info.js';
import { Call, type Thread } from '../sys/processes/thread.js';
import { words32, writeUser } from '../sys/processes/user-memory.js';
import { oomReport } from './crash-report.js';
import { faultSignal } from './guest-fault.js';
import type { GuestHost } from './guest-host.js';
import type { GuestSystem } from './guest-system.js';
import { isRestart } from './restart.js';
import { exitRobustList, wakeWord } from './robust-list.js';
import { archDoSignalOrRestart, forceSigInfoToTask, hasSignalWork } from './signal-delivery.js';
import { dispatchSyscall } from './syscalls/syscall-dispatch.js';

/** Instructions that a thread may run before others get their turn: at least so many, and up to twice that. */
const SLICE = 8192;
/** Fine slices are of up to 2^7 instructions, short ones as likely as long ones. */
const FINE_SLICE_BITS = 8;
/** What a trap takes from the slice: a thread that does little but trap must come to its slice's end as well. */
const TRAP_COST = 256;
/** Instructions in a microsecond of virtual time. */
const INSTRUCTIONS_PER_TICK = 50;

const A0 = 10;
const ECALL_BYTES = 4;
const SLICE_POINT = preemptPoint('time slice');
/** Traps without another scheduling point between them. */
const TRAPS_PER_STEP = 256;
const ILL_ILLOPC = 1;
const TRAP_BRKPT = 1;

/** One thread of a program: the CPU's state and what the kernel's side of the ABI keeps for it. */
export class GuestThread {
  /** Cleared and woken when the thread ends. Linux: clear_child_tid */
  clearChildTid = 0;
  robustList = { head: 0, len: 0 };
  /** a0 as it was at the ecall, for a restart. */
  origA0: readonly [number, number] = [0, 0];
  /** The call in progress; null while the program runs. */
  syscall: { readonly name: string; readonly text: string } | null = null;
  /** What the call that just ended answered when a signal came in between; 0: nothing to restart. */
  pendingRestart = 0;
  /** When the interrupted wait would have ended, should it begin again; null: no such wait. Linux: restart_block */
  restartDeadline: number | null = null;
  /** rt_sigreturn and execve set every register themselves. */
  keepsRegisters = false;
  /** It uses the memory that clone(2) gave it: it has neither ended nor run another program. */
  hasParentsMemory = true;
  /** Woken when that is over. Linux: vfork_done */
  readonly vforkDone = new WaitQueue('a vfork child');
  /** It has given way between two instructions of its program: nothing of it is inside the kernel. */
  isInUser = false;
  private instructionsLeft = 0;
  /** What is left of the slice; traps do not begin another one. */
  private sliceLeft = 0;
  private oomRetries = 0;
  private traps = 0;

  constructor(
    readonly system: GuestSystem,
    readonly thread: Thread,
    readonly cpu: Cpu,
    readonly host: GuestHost,
  ) {}

  get process(): Process {
    return this.thread.process;
  }

  get mm(): Mm {
    return this.thread.process.mm;
  }

  /** Argument `i` of a system call, unsigned; exact below 2^53. */
  u(i: number): number {
    return this.cpu.unsigned(A0 + i);
  }

  /** Argument `i` as a signed number, exact within 2^53. */
  s(i: number): number {
    return this.cpu.signed(A0 + i);
  }

  /** The low half of argument `i`, as C's int. */
  int(i: number): number {
    return this.cpu.x[2 * (A0 + i)]!;
  }

  /** Lets the thread run with the machine's next steps. */
  start(): void {
    this.thread.enqueue(new Call('program', [], () => this.run()));
  }

  /** From here to the thread's end: the program's instructions, and the kernel's answers to them. */
  private *run(): Coroutine<CallResult> {
    const { task } = this.thread;
    const isChecked = this.process.machine.options.checkInvariants !== 'off';
    for (;;) {
      if (hasSignalWork(this)) yield* archDoSignalOrRestart(this);
      if (task.killed) break;
      const trap = this.runSlice();
      if (trap === Trap.ecall) yield* this.ecall();
      else if (trap !== Trap.budget) yield* this.trapped(trap);
      if (trap !== Trap.budget && isChecked) this.system.backInUser(this);
      if (this.sliceLeft <= 0 && task.scheduler.contended) yield* this.giveWay();
      // Also when nobody else could run: whoever runs the machine must get it back.
      if (++this.traps % TRAPS_PER_STEP === 0) yield* this.giveWay();
    }
    yield* this.releaseMemory();
    this.system.forget(this);
    return { ret: 0 };
  }

  private *giveWay(): Coroutine<void> {
    this.isInUser = true;
    yield SLICE_POINT;
    this.isInUser = false;
  }

  /** The thread is about to leave its address space. Linux: part of kernel/fork.c:exit_mm_release() and exec_mm_release() */
  *releaseMemory(): Coroutine<void> {
    yield* exitRobustList(this);
    if (this.clearChildTid !== 0 && (this.mm.users > 1 || this.process.threads.length > 1)) {
      yield* writeUser(this.mm, this.clearChildTid, words32(0));
      wakeWord(this, this.clearChildTid, 1);
    }
    this.clearChildTid = 0;
    this.robustList = { head: 0, len: 0 };
    this.hasParentsMemory = false;
    this.vforkDone.wakeAll();
  }

  private runSlice(): TrapCode {
    const { scheduler } = this.thread.task;
    const before = this.cpu.instret;
    if (this.sliceLeft <= 0) this.sliceLeft = this.newSlice();
    const trap = this.cpu.run(this.sliceLeft);
    const retired = this.cpu.instret - before;
    this.sliceLeft -= trap === Trap.budget ? this.sliceLeft : retired + TRAP_COST;
    const done = retired + this.instructionsLeft;
    this.instructionsLeft = done % INSTRUCTIONS_PER_TICK;
    const ticks = (done - this.instructionsLeft) / INSTRUCTIONS_PER_TICK;
    if (ticks > 0) scheduler.advance(ticks);
    return trap;
  }

  /** Whoever looks for schedules that fail wants to come between any two instructions, and to get on. */
  private newSlice(): number {
    const { prng, scheduler } = this.process.machine.kernel;
    if (scheduler.isFine && scheduler.busyCount > 0) return 1 + prng.below(1 << prng.below(FINE_SLICE_BITS));
    return SLICE + prng.below(SLICE);
  }

  private *ecall(): Coroutine<void> {
    const { cpu, thread } = this;
    this.origA0 = [cpu.x[2 * A0]!, cpu.x[2 * A0 + 1]!];
    this.keepsRegisters = false;
    const ret = yield* dispatchSyscall(this);
    yield* this.process.machine.taskWorkRun(thread.task);
    if (this.keepsRegisters || thread.task.killed) return;
    cpu.pc += ECALL_BYTES;
    if (isRestart(ret)) {
      this.pendingRestart = -ret;
      cpu.set(A0, -EINTR);
      if (!isInterrupted(thread)) this.restartSyscall();
    } else {
      cpu.set(A0, ret);
    }
  }

  /** The interrupted call begins again, as if it had not been made yet. */
  restartSyscall(): void {
    this.pendingRestart = 0;
    [this.cpu.x[2 * A0], this.cpu.x[2 * A0 + 1]] = this.origA0;
    this.cpu.pc -= ECALL_BYTES;
  }

  /** When the wait that begins now ends: as it was, when it begins again after a signal without a handler. */
  deadlineOf(deadline: number | null): number | null {
    const kept = this.restartDeadline;
    this.restartDeadline = null;
    return kept ?? deadline;
  }

  private *trapped(trap: TrapCode): Coroutine<void> {
    const { cpu } = this;
    if (trap === Trap.ebreak) forceSigInfoToTask(this, { signo: SIGTRAP, code: TRAP_BRKPT, addr: cpu.pc });
    else if (trap === Trap.illegal) forceSigInfoToTask(this, { signo: SIGILL, code: ILL_ILLOPC, addr: cpu.pc });
    else if (trap === Trap.misaligned)
      forceSigInfoToTask(this, { signo: SIGBUS, code: BUS_ADRALN, addr: cpu.trapAddr });
    else yield* this.pageFault(trap);
  }

  private *pageFault(trap: TrapCode): Coroutine<void> {
    const { trapAddr } = this.cpu;
    const info = yield* this.fault(trapAddr, trap);
    // A program that finds no memory tries again for a while. Linux: mm/oom_kill.c:pagefault_out_of_memory()
    if (info?.signo === SIGKILL && this.oomRetries++ < MAX_OOM_RETRIES) {
      yield SLICE_POINT;
      return;
    }
    this.oomRetries = 0;
    if (info?.signo === SIGKILL) this.host.crashed(oomReport(this, trapAddr));
    if (info !== null) forceSigInfoToTask(this, info);
    else if (this.thread.task.scheduler.contended) yield SLICE_POINT;
  }

  /** Makes the page accessible, or says which signal the access deserves. */
  private *fault(addr: number, trap: TrapCode): Coroutine<SignalInfo | null> {
    if (trap === Trap.fetchFault && addr < TASK_SIZE) {
      yield* this.mm.mmapLock.readLock();
      const vma = this.mm.vmaLookup(addr);
      this.mm.mmapLock.readUnlock();
      if (vma !== null && !(vma.flags & VM.exec)) return faultSignal('accerr', addr);
    }
    const fault = yield* doUserAddrFault(this.mm, addr, trap === Trap.storeFault);
    return fault === 'none' ? null : faultSignal(fault, addr);
  }
}
