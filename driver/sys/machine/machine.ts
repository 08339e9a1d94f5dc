import type { CommandName } from '../../../uapi/dialect.js';
import { SIGKILL } from '../../../uapi/signal.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, NUMBERED, Shared } from '../../core/observer.js';
import { RoundRobin, type SchedulerPolicy, SeededRandom } from '../../core/policy.js';
import type { BlockedTask, RunResult } from '../../core/scheduler.js';
import type { Task } from '../../core/task.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { type Command, DEVMEM_CHUNK_PAGES, DmirrorDevices, GupTestModule } from '../../dmirror/index.js';
import { migrationPath } from '../../hmm/index.js';
import { MachineKernel } from '../../inject/machine-kernel.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { checkInvariants, type ProofScope } from '../../mm/invariants.js';
import { Memory } from '../../mm/memory.js';
import { type KernelProfile, profileByName } from '../../mm/profile.js';
import { checkTlb } from '../../mm/tables/check-tlb.js';
import { pageTableText } from '../../mm/tables/page-table-text.js';
import type { WalkStats } from '../../mm/tables/walk-stats.js';
import { mmCreate } from '../../mm/vmas/dup-mmap.js';
import type { Mm } from '../../mm/vmas/mm.js';
import type { Trace } from '../../trace/trace.js';
import type { TraceEvent, TraceKind } from '../../trace/trace-event.js';
import { TRACE_KINDS } from '../../trace/trace-text.js';
import { BadCallError, checkArgs, type Syscall } from '../calls/syscall.js';
import { syscallByName } from '../calls/syscalls.js';
import { addDevNodes } from '../files/dev-nodes.js';
import { addDevices } from '../files/device-file.js';
import { FdTable } from '../files/fd-table.js';
import { addGupTest } from '../files/gup-file.js';
import type { OpenFile, ReleaseQueue } from '../files/open-file.js';
import { addProcFiles } from '../files/proc/proc-nodes.js';
import { addProcSelf } from '../files/proc/proc-self.js';
import { Vfs } from '../files/vfs.js';
import { SysvShm } from '../ipc/sysv-shm.js';
import { addSysvipcFiles } from '../ipc/sysvipc-files.js';
import { FutexTable } from '../processes/futex.js';
import { MAX_THREADS } from '../processes/machine-limits.js';
import { Process } from '../processes/process.js';
import { Call, type Thread } from '../processes/thread.js';
import { MachineError } from './machine-error.js';
import { COHERENT_BYTES, checkMachineOptions, completeOptions, type MachineOptions } from './machine-options.js';
import { TouchedRanges } from './touched.js';
import { TraceObserver } from './trace-observer.js';
import { deadlocked, waitReport } from './wait-report.js';

/**
 * Chunks of private device memory that can ever be needed: a device gets another one only when all of its own are full,
 * and each of their pages has a frame of RAM behind it; so beside the full chunks there is one that is not, a device, and one for folios
 * of 2 MiB where there are such.
 */
function privateChunks(ramBytes: number, { deviceThp }: KernelProfile): number {
  const full = Math.floor(ramBytes / PAGE_SIZE / DEVMEM_CHUNK_PAGES);
  return full + PRIVATE_DEVICES * (deviceThp ? 2 : 1);
}

const PRIVATE_DEVICES = 2;

/**
 * The emulated machine: processes, their memory, the devices and the one table of system calls through which everybody
 * drives it. Nothing runs by itself: `start` queues calls, `run` or `call` runs them.
 */
export class Machine implements ReleaseQueue {
  readonly options: MachineOptions;
  readonly kernel: MachineKernel;
  readonly memory: Memory;
  readonly devices: DmirrorDevices;
  readonly gupTest: GupTestModule;
  /** Buffers that pipes have beyond those that they begin with. */
  readonly pipeGrowth = { buffers: 0 };
  readonly vfs: Vfs;
  readonly sysvShm: SysvShm;
  /** Of the present life; `reset` may change it. */
  seed: number;
  /** Asked before each ioctl of a device; true refuses it with -EINVAL. For a strict daemon. */
  refusesIoctl: ((thread: Thread, cmd: number, dialect: string) => boolean) | null = null;
  /** Memory of any content for what a load answers, lent by whoever runs or serves the machine; new memory when null. */
  newAnswer: ((sizeBytes: number) => Uint8Array) | null = null;
  /** Processes and threads that one owner may have; null: as many as fit. */
  maxThreadsOfOwner: number | null = null;
  /** Told each command of a device as the device has read it, before it runs, by whoever watches the machine. */
  onCommand: ((name: CommandName, command: Command) => void) | null = null;
  /** Told each system call that is queued, by whoever watches the machine. */
  onCall: ((thread: Thread, call: Call) => void) | null = null;
  /** Told when a run breaks, while all is as it was then, by whoever watches the machine. */
  onFailure: ((error: MachineError) => void) | null = null;
  private readonly processes = new Map<number, Process>();
  private readonly threads = new Map<number, Thread>();
  private readonly released = new Map<Task, OpenFile[]>();
  /** Threads that sleep in poll(2): whoever changes what a file would report wakes them. */
  readonly pollers = new WaitQueue('poll');
  readonly futexes = new FutexTable();
  /** What ioctls worked on; filled only when something is to be checked. */
  readonly touched = new TouchedRanges();
  private nextPid = 1;
  private failure: MachineError | null = null;

  constructor(options: Partial<MachineOptions> = {}) {
    this.options = completeOptions(options);
    checkMachineOptions(this.options);
    const { seed, scheduler, stepLimit } = this.options;
    this.seed = seed;
    this.kernel = new MachineKernel(policyOf(scheduler, seed), seed, stepLimit);
    const { ramBytes, swapBytes, hugePages, thpEnabled, coherent, path, quirks } = this.options;
    const profile = profileByName(this.options.profile)!;
    this.memory = new Memory(this.kernel, {
      ramBytes,
      swapBytes,
      hugePages,
      thpEnabled,
      coherentBytes: coherent ? COHERENT_BYTES : 0,
      privateFrames: privateChunks(ramBytes, profile) * DEVMEM_CHUNK_PAGES,
      profile,
    });
    this.memory.maxMapCount = this.options.maxMapCount;
    this.devices = new DmirrorDevices(this.memory, { path: migrationPath(path), quirks });
    this.devices.context.onCommand = (name, command) => {
      if (this.options.checkInvariants !== 'off') this.touched.note(command.file.mm, command.addr, command.end);
      this.onCommand?.(name, command);
    };
    this.gupTest = new GupTestModule(this.memory);
    this.vfs = new Vfs(this);
    this.sysvShm = new SysvShm(this);
    const { faultChunkPages: faultPages, migrateChunkPages: migratePages } = profile;
    this.kernel.inject.chunks = { faultPages, migratePages };
    this.kernel.inject.kill = (pid) => this.process(pid)?.doGroupExit(SIGKILL);
    addDevices(this);
    addGupTest(this);
    addProcFiles(this);
    addSysvipcFiles(this);
    addProcSelf(this);
    addDevNodes(this);
  }

  /** A new process with one thread and an empty address space. Nobody waits for it. */
  createProcess({ dialect }: { dialect?: string } = {}): Process {
    const process = this.addProcess(mmCreate(this.memory), new FdTable(this.options.maxFiles, this.kernel), null);
    if (dialect !== undefined) process.dialect = dialect;
    return process;
  }

  addProcess(mm: Mm, files: FdTable, parent: Process | null): Process {
    const process = new Process(this, this.newPid(), mm, files, parent);
    this.processes.set(process.pid, process);
    return process;
  }

  newPid(): number {
    this.kernel.observer?.touch(Shared.nextNumber, NUMBERED.process, Access.write, 1);
    return this.nextPid++;
  }

  /** Who is there, whose child it is or whether it has ended is about to be read or changed. */
  touchProcesses(how: number): void {
    this.kernel.observer?.touch(Shared.processes, 0, how, 1);
  }

  /** No further process or thread fits. Dead processes that nobody has waited for count too. */
  get isFull(): boolean {
    return Math.max(this.threads.size, this.processes.size) >= MAX_THREADS;
  }

  /** Processes of an owner that are not reaped, each as many times as it has threads. */
  threadsOf(owner: number): number {
    let count = 0;
    for (const process of this.processes.values()) {
      if (process.owner === owner) count += Math.max(1, process.threads.length);
    }
    return count;
  }

  /** A process of `owner` may make another process or thread. */
  hasRoomFor(owner: number): boolean {
    if (this.isFull) return false;
    return this.maxThreadsOfOwner === null || this.threadsOf(owner) < this.maxThreadsOfOwner;
  }

  /** A process that is not reaped, or null. */
  process(pid: number): Process | null {
    return this.processes.get(pid) ?? null;
  }

  /** A living thread, or null. */
  threadByTid(tid: number): Thread | null {
    return this.threads.get(tid) ?? null;
  }

  /** Every living thread. */
  allThreads(): Iterable<Thread> {
    return this.threads.values();
  }

  /** Every process that is not reaped. */
  allProcesses(): Process[] {
    return [...this.processes.values()];
  }

  addThread(thread: Thread): void {
    this.touchProcesses(Access.write);
    this.threads.set(thread.tid, thread);
  }

  forgetThread(thread: Thread): void {
    this.touchProcesses(Access.write);
    this.threads.delete(thread.tid);
  }

  forgetProcess(process: Process): void {
    this.touchProcesses(Access.write);
    this.processes.delete(process.pid);
  }

  /** Queues a system call of `thread`; nothing runs yet. Throws BadCallError when no program could make this call. */
  start(thread: Thread, name: string, args: readonly CallArg[]): Call {
    const syscall = syscallByName(name);
    if (syscall === undefined) throw new BadCallError(`there is no system call ${name}`);
    checkArgs(name, syscall, args);
    const call = new Call(name, args, () => runSyscall(syscall, thread, args));
    this.onCall?.(thread, call);
    thread.enqueue(call);
    return call;
  }

  /**
   * Runs until no task can go on. `deadlock` lists who waits for what; a wait for a child that runs outside the kernel is
   * reported so too, and later calls may end it. Throws MachineError.
   */
  run(): RunResult {
    const run = this.guarded(() => this.kernel.scheduler.run());
    this.checkAfterRun();
    return run;
  }

  /** Why a run that ended so can't go on; null when it can: what is left waits for a later call. */
  errorOf(run: RunResult): MachineError | null {
    const stuck = deadlocked(run.blocked, ({ waitsForCall }) => waitsForCall);
    if (stuck.length > 0) return this.unfinished('deadlock', stuck);
    return run.reason === 'step-limit' ? this.unfinished(`no end after ${run.steps} steps`, run.blocked) : null;
  }

  /** `start`, and run until that call is done. Throws MachineError when it can't be. */
  call(thread: Thread, name: string, ...args: CallArg[]): CallResult {
    const call = this.start(thread, name, args);
    const run = this.guarded(() => this.kernel.scheduler.run(thread.task));
    if (call.result === undefined)
      throw this.unfinished(`${name} of thread ${thread.tid} does not return: ${run.reason}`, run.blocked);
    this.checkAfterRun();
    return call.result;
  }

  /** Proves what must hold between any two calls, of all or of the part that `scope` names. Throws MachineError. */
  checkInvariants(scope?: ProofScope): void {
    this.guarded(() => this.prove(scope));
  }

  /** Counters of page table work since the start or the last `stats.reset()`. */
  get stats(): WalkStats {
    return this.memory.stats;
  }

  /** The last events; `trace.listen` gives every one as it happens. */
  get trace(): Trace {
    return this.kernel.trace;
  }

  /**
   * Hands each event of `kinds` to `listener` from now on; null ends that. Unless they are given, all but spans, counters and the states of
   * folios, for which the machine looks at every access.
   */
  listen(listener: ((event: TraceEvent) => void) | null, kinds: ReadonlySet<string> = USUAL_KINDS): void {
    this.trace.listen(listener && ((event) => kinds.has(event.kind) && listener(event)));
    const { observer } = this.kernel;
    if (observer !== null && !(observer instanceof TraceObserver)) return;
    const isNeeded = listener !== null && OBSERVED_KINDS.some((kind) => kinds.has(kind));
    if (isNeeded || observer !== null) this.kernel.observe(isNeeded ? new TraceObserver(this, kinds) : null);
  }

  /** The page table entries of [start, end), one line for equal neighbours. */
  pageTableText(process: Process, start: number, end: number): string {
    return pageTableText(process.mm, start, end);
  }

  /** A new life, as new as a new machine: clears only what was touched in the old one. */
  reset(seed = this.options.seed): void {
    this.seed = seed;
    this.failure = null;
    this.processes.clear();
    this.threads.clear();
    this.released.clear();
    this.touched.reset();
    this.pollers.waiters.length = 0;
    this.futexes.reset();
    this.nextPid = 1;
    this.kernel.reset(seed);
    this.memory.reset();
    this.devices.reset();
    this.gupTest.reset();
    this.pipeGrowth.buffers = 0;
    this.vfs.reset();
  }

  /** The last reference of `file` is gone; it is released when the running call ends. Linux: fs/file_table.c:fput() */
  fput(file: OpenFile): void {
    const task = this.kernel.current;
    const waiting = this.released.get(task);
    if (waiting === undefined) this.released.set(task, [file]);
    else waiting.push(file);
  }

  /** What a task does before it returns to user. Linux: kernel/task_work.c:task_work_run() */
  *taskWorkRun(task: Task): Coroutine<void> {
    for (let files = this.released.get(task); files !== undefined; files = this.released.get(task)) {
      this.released.delete(task);
      for (const file of files) yield* file.release();
    }
  }

  /** What the option `checkInvariants` asks for; a later run does it when tasks are left in the kernel. */
  private checkAfterRun(): void {
    const { checkInvariants: mode } = this.options;
    if (mode === 'off' || this.kernel.scheduler.busyCount > 0) return;
    this.guarded(() => this.proveAsAsked());
  }

  /** What the option `checkInvariants` asks for where no task is inside the kernel. Throws an AssertionError. */
  proveAsAsked(): void {
    this.touched.check();
    if (this.options.checkInvariants === 'all') this.prove();
    else for (const mm of this.memory.mms) checkTlb(mm);
  }

  /** As `checkInvariants`, and the machine goes on whatever is found. Throws an AssertionError. */
  prove(scope?: ProofScope): void {
    checkInvariants(this.memory, scope);
    this.devices.checkInvariants();
  }

  private guarded<T>(work: () => T): T {
    if (this.failure !== null) throw this.failure;
    assert(this.kernel.scheduler.current === null, 'the machine is entered from inside of its run');
    try {
      return work();
    } catch (error) {
      if (error instanceof MachineError) throw error;
      throw this.fail(error instanceof Error ? `${error.name}: ${error.message}` : String(error), { cause: error });
    }
  }

  /** A call that waits, for a child or a lock, or that used up its steps. The machine goes on: a later run may end it. */
  private unfinished(what: string, blocked: readonly BlockedTask[]): MachineError {
    return new MachineError(what, this.seed, this.trace.recent(), { waits: waitReport(this, blocked), blocked });
  }

  private fail(what: string, { cause }: { cause: unknown }): MachineError {
    this.failure = new MachineError(what, this.seed, this.trace.recent(), { cause });
    this.onFailure?.(this.failure);
    return this.failure;
  }
}

/** What a `TraceObserver` reports. */
const OBSERVED_KINDS: readonly TraceKind[] = ['wait', 'switch', 'entry', 'folio', 'refcount', 'mirror', 'counter'];
/** Of interest for programs that draw, or too many. */
const SELDOM_WANTED: readonly TraceKind[] = ['folio', 'refcount', 'span', 'counter'];
const USUAL_KINDS: ReadonlySet<string> = new Set(TRACE_KINDS.filter((kind) => !SELDOM_WANTED.includes(kind)));

function policyOf(scheduler: MachineOptions['scheduler'], seed: number): SchedulerPolicy {
  if (scheduler === 'round-robin') return new RoundRobin();
  if (scheduler === 'random') return new SeededRandom(seed);
  scheduler.reset(seed);
  return scheduler;
}

function* runSyscall(syscall: Syscall, thread: Thread, args: readonly CallArg[]): Coroutine<CallResult> {
  const result = yield* syscall.run(thread, args);
  return typeof result === 'number' ? { ret: result } : result;
}
