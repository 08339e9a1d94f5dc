import { dialectByName } from '../../uapi/dialect.js';
import { EACCES, ENOENT, ENOEXEC } from '../../uapi/errno.js';
import { gupAbiByDialectName } from '../../uapi/gup-abi.js';
import { SIGCHLD, SIGSEGV, signalStatus } from '../../uapi/signal.js';
import type { Coroutine } from '../core/effect.js';
import { Cpu } from '../cpu/cpu.js';
import { MmCpuMemory } from '../cpu/cpu-memory.js';
import { Hart } from '../cpu/hart.js';
import { KernelIter } from '../mm/faults/iov-iter.js';
import { shmemFileWriteIter } from '../mm/files/shmem.js';
import { mmCreate } from '../mm/vmas/dup-mmap.js';
import { mmput } from '../mm/vmas/exit-mmap.js';
import { TmpfsInode } from '../sys/files/tmpfs-file.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Process } from '../sys/processes/process.js';
import { ProgramImage } from '../sys/processes/program-image.js';
import { NO_ALT_STACK, ProgramSignals, ThreadSignals } from '../sys/processes/program-signals.js';
import { Call, type Thread } from '../sys/processes/thread.js';
import { execReport } from './crash-report.js';
import { ElfError, type ElfImage, type ElfSymbol, functionSymbols, parseElf } from './elf.js';
import { type LoadedProgram, loadElfBinary } from './exec.js';
import type { GuestHost } from './guest-host.js';
import { AT_FDCWD, resolvePath } from './guest-path.js';
import { GuestThread } from './guest-thread.js';
import { HostStream } from './host-stream.js';

const SP = 2;

/** A program to run. */
export interface ProgramRequest {
  /** Absolute path by which the program finds itself. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** Numbering of the device files that it opens; the version of a kernel also says what it means to gup_test. */
  readonly dialect?: string;
}

/** A file that was loaded once: its headers, its page cache and its function names. */
interface Binary {
  readonly elf: ElfImage;
  readonly bytes: Uint8Array;
  readonly inode: TmpfsInode;
  symbols: ElfSymbol[] | null;
}

/** Programs on one machine: their threads, the core that these share, and what of Linux they asked for in vain. */
export class GuestSystem {
  readonly hart: Hart;
  private readonly guests = new Map<Thread, GuestThread>();
  /** By path, for each owner of processes. */
  private readonly binaries = new Map<number, Map<string, Binary>>();

  constructor(readonly machine: Machine) {
    this.hart = new Hart(machine.memory.ram);
    machine.vfs.onRemoval((owner) => this.binaries.delete(owner));
    machine.vfs.onReset(() => {
      this.binaries.clear();
      this.guests.clear();
    });
  }

  /** Every thread of a program that is alive. */
  get threads(): Iterable<GuestThread> {
    return this.guests.values();
  }

  guestOf(thread: Thread): GuestThread | undefined {
    return this.guests.get(thread);
  }

  /** `guest` leaves the kernel. Once nobody else is inside, but for waits that a signal ends, the machine proves what it is asked to. */
  backInUser(guest: GuestThread): void {
    let outside = 0;
    for (const thread of this.machine.allThreads()) {
      if (thread === guest.thread || thread.task.state === 'idle') continue;
      if (thread.task.isInterruptible || this.guests.get(thread)?.isInUser) outside++;
    }
    // The running task is not counted, and who dies is no thread any more when its memory goes.
    if (outside < this.machine.kernel.scheduler.busyCount) return;
    this.machine.proveAsAsked();
  }

  forget(guest: GuestThread): void {
    this.guests.delete(guest.thread);
  }

  /**
   * A new process that runs a program from its first instruction on, with the next steps of the machine; `host` is what
   * it and its children see of the world outside. Throws ElfError.
   */
  spawn(request: ProgramRequest, host: GuestHost): Process {
    const elf = parseElf(request.bytes);
    const { machine } = this;
    const { dialect } = request;
    const process = machine.createProcess(
      dialect === undefined ? {} : { dialect: dialectByName(dialect)?.id ?? dialect },
    );
    if (dialect !== undefined) process.gupAbi = gupAbiByDialectName(dialect);
    for (const fd of [0, 1, 2] as const) process.files.install(new HostStream(machine, host, fd));
    process.signals = new ProgramSignals(process);
    process.main.signals = new ThreadSignals();
    const guest = this.addGuest(process.main, new Cpu(this.hart, new MmCpuMemory(process.mm)), host);
    process.main.enqueue(new Call('execve', [request.path], () => this.firstExec(guest, elf, request)));
    guest.start();
    return process;
  }

  private *firstExec(guest: GuestThread, elf: ElfImage, request: ProgramRequest): Coroutine<{ ret: number }> {
    const binary = yield* this.keepBinary(guest.process, request, elf);
    const ret = yield* this.load(guest, binary, request);
    if (ret < 0) this.pastReturn(guest, request.path, elf, ret);
    else yield* this.nameAsCalled(guest, binary, request.argv[0]);
    return { ret };
  }

  /** A program that was called by a relative path finds itself there: the folder of the call is its working directory. */
  private *nameAsCalled(guest: GuestThread, { inode }: Binary, name = '/'): Coroutine<void> {
    const path = name.startsWith('/') ? -ENOENT : resolvePath(guest, AT_FDCWD, name);
    if (typeof path === 'string') yield* this.machine.vfs.addProgram(path, inode, guest.process.owner);
  }

  /** Puts a file's contents where the program can be mapped and opened from. */
  private *keepBinary(
    { owner }: Process,
    { path, bytes }: { path: string; bytes: Uint8Array },
    elf: ElfImage,
  ): Coroutine<Binary> {
    const known = this.binaries.get(owner)?.get(path);
    if (known !== undefined && isSame(known.bytes, bytes)) return known;
    const inode = new TmpfsInode(this.machine.memory);
    const place = { offset: 0, lenBytes: bytes.length };
    yield* shmemFileWriteIter(this.machine.memory, inode.mapping, new KernelIter(bytes), place);
    yield* this.machine.vfs.addProgram(path, inode, owner);
    const binary = { elf, bytes, inode, symbols: null };
    this.binaries.set(owner, (this.binaries.get(owner) ?? new Map<string, Binary>()).set(path, binary));
    return binary;
  }

  /** Fills the empty address space of `guest` and sets its registers; 0 or a negative errno. */
  private *load(
    guest: GuestThread,
    { elf, inode }: Binary,
    { path, argv, envp }: { path: string; argv: readonly string[]; envp: readonly string[] },
  ): Coroutine<number> {
    const { process, mm } = guest;
    const loaded = yield* loadElfBinary({ machine: this.machine, mm, elf, inode, path, argv, envp });
    if (typeof loaded === 'number') return loaded;
    const image = new ProgramImage(process, { ...loaded, path, argv });
    if (process.image !== null) image.succeed(process.image);
    process.image = image;
    this.begin(guest, loaded);
    return 0;
  }

  private begin({ cpu }: GuestThread, { pc, sp }: LoadedProgram): void {
    cpu.x.fill(0);
    cpu.f.fill(0);
    cpu.fcsr = 0;
    cpu.pc = pc;
    cpu.set(SP, sp);
  }

  /**
   * execve(2) of a process with one thread: on success the old program is gone. Linux: part of fs/exec.c:bprm_execve()
   * Deviates: with several threads the caller must refuse; the others would have to end first.
   */
  *exec(
    guest: GuestThread,
    path: string,
    { argv, envp }: { argv: readonly string[]; envp: readonly string[] },
  ): Coroutine<number> {
    const binary = yield* this.findBinary(guest, path === '/proc/self/exe' ? guest.process.image!.layout.path : path);
    if (typeof binary === 'number') return binary;
    const { process } = guest;
    const old = process.mm;
    yield* guest.releaseMemory();
    process.mm = mmCreate(this.machine.memory, old);
    guest.cpu.memory = new MmCpuMemory(process.mm);
    const ret = yield* this.load(guest, binary, { path, argv, envp });
    yield* mmput(old);
    if (process.files.isShared) yield* this.unshareFiles(process);
    yield* process.files.doCloseOnExec();
    process.signals!.flushSignalHandlers();
    process.exitSignal = SIGCHLD;
    guest.thread.signals!.altStack = NO_ALT_STACK;
    guest.keepsRegisters = true;
    if (ret < 0) this.pastReturn(guest, path, binary.elf, ret);
    return ret;
  }

  /** There is no program to go back to. Linux: part of fs/exec.c:bprm_execve() */
  private pastReturn({ host, process }: GuestThread, path: string, elf: ElfImage, error: number): void {
    host.crashed(execReport(process.mm, path, elf, error));
    process.doGroupExit(signalStatus(SIGSEGV));
  }

  /** Linux: kernel/fork.c:unshare_files() */
  private *unshareFiles(process: Process): Coroutine<void> {
    const shared = process.files;
    process.files = shared.dupFd();
    yield* shared.exitFiles();
  }

  private *findBinary({ host, process }: GuestThread, path: string): Coroutine<Binary | number> {
    const known = this.binaries.get(process.owner)?.get(path);
    if (known !== undefined) return known;
    if (this.machine.vfs.isDirectory(path, process.owner)) return -EACCES;
    const bytes = host.program(path);
    if (bytes === null) return -ENOENT;
    try {
      return yield* this.keepBinary(process, { path, bytes }, parseElf(bytes));
    } catch (error) {
      if (error instanceof ElfError) return -ENOEXEC;
      throw error;
    }
  }

  /** The program of a fork's child, which has its memory and descriptors already; it starts behind the parent's ecall. */
  addChild(
    parent: GuestThread,
    process: Process,
    { sharesMemory, sharesHandlers }: { sharesMemory: boolean; sharesHandlers: boolean },
  ): GuestThread {
    process.signals = new ProgramSignals(process);
    process.signals.copySighand(parent.process.signals!, sharesHandlers);
    process.image = parent.process.image!.duplicate(process, sharesMemory);
    const memory = sharesMemory ? parent.cpu.memory : new MmCpuMemory(process.mm);
    const guest = this.addGuest(process.main, new Cpu(this.hart, memory), parent.host);
    process.main.signals!.altStack = parent.thread.signals!.altStack;
    return this.copyState(parent, guest);
  }

  /** A thread that clone(2) made. */
  addClone(parent: GuestThread, thread: Thread): GuestThread {
    return this.copyState(parent, this.addGuest(thread, new Cpu(this.hart, parent.cpu.memory), parent.host));
  }

  private copyState(parent: GuestThread, guest: GuestThread): GuestThread {
    guest.cpu.copyFrom(parent.cpu);
    guest.thread.signals!.mask = parent.thread.signals!.mask;
    return guest;
  }

  private addGuest(thread: Thread, cpu: Cpu, host: GuestHost): GuestThread {
    thread.signals ??= new ThreadSignals();
    const guest = new GuestThread(this, thread, cpu, host);
    this.guests.set(thread, guest);
    return guest;
  }

  /** The function at `addr` of a program, as `name+0x10`; null when nothing is known of it. */
  symbolAt(process: Process, addr: number): string | null {
    const path = process.image?.layout.path ?? '';
    const binary = this.binaries.get(process.owner)?.get(path);
    if (binary === undefined) return null;
    binary.symbols ??= functionSymbols(binary.bytes);
    const inFile = addr - (binary.elf.isRelocatable ? process.image!.layout.startBrk - brkOf(binary.elf) : 0);
    const found = binary.symbols.findLast((symbol) => symbol.addr <= inFile && inFile < symbol.addr + symbol.size);
    return found === undefined ? null : `${found.name}+0x${(inFile - found.addr).toString(16)}`;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Where the heap of a program begins that is not moved. */
function brkOf({ segments }: ElfImage): number {
  return Math.max(...segments.map(({ addr, memBytes }) => Math.ceil((addr + memBytes) / 4096) * 4096));
}
