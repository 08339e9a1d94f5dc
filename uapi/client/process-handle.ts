// Threads and processes as a client sees them: one method a system call, POSIX-shaped. Methods that answer a number answer what the raw
// system call does: 0 or positive, or a negative errno. Those that make an object throw SyscallError instead.

import { O_RDWR } from '../fcntl.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../mman.js';
import type { CallArg, CallResult } from '../system-call.js';
import { MappedMemory } from './mapped-memory.js';
import { must, SignalError, type Transport } from './transport.js';

export interface MmapOptions {
  /** A hint, or the address itself with MAP_FIXED. */
  addr?: number;
  prot?: number;
  flags?: number;
  fd?: number;
  offsetBytes?: number;
}

export interface ForkResult {
  /** The child's pid, or a negative errno. */
  ret: number;
  child: ProcessHandle;
}

export interface WaitResult {
  /** The pid that ended, or a negative errno. */
  ret: number;
  /** wait(2) status word; 0 on error. */
  status: number;
}

/** One thread. It runs one call at a time: calls issued without waiting queue up behind each other. */
export class ThreadHandle {
  readonly transport: Transport;
  readonly tid: number;

  constructor(transport: Transport, tid: number) {
    this.transport = transport;
    this.tid = tid;
  }

  /** Any system call by name, as the machine's table has it. */
  call(name: string, ...args: CallArg[]): Promise<CallResult> {
    return this.transport.call(this.tid, name, args);
  }

  private async ret(name: string, ...args: CallArg[]): Promise<number> {
    return (await this.call(name, ...args)).ret;
  }

  /** Map `len` bytes; private anonymous read-write memory unless the options say otherwise. Answers the address. */
  mmap(len: number, options: MmapOptions = {}): Promise<number> {
    const { addr = 0, prot = PROT_READ | PROT_WRITE, fd = -1, offsetBytes = 0 } = options;
    const flags = options.flags ?? MAP_PRIVATE | MAP_ANONYMOUS;
    return this.ret('mmap', addr, len, prot, flags, fd, offsetBytes);
  }

  /** Map memory and give a view of it. Throws SyscallError. */
  async map(len: number, options: MmapOptions = {}): Promise<MappedMemory> {
    return new MappedMemory(this, must('mmap', await this.mmap(len, options)), len);
  }

  munmap(addr: number, len: number): Promise<number> {
    return this.ret('munmap', addr, len);
  }

  mprotect(addr: number, len: number, prot: number): Promise<number> {
    return this.ret('mprotect', addr, len, prot);
  }

  /** Answers the new address. */
  mremap(addr: number, oldLen: number, newLen: number, flags = 0, newAddr = 0): Promise<number> {
    return this.ret('mremap', addr, oldLen, newLen, flags, newAddr);
  }

  /** Maps another part of the file that is mapped shared there; `prot` must be 0. */
  remapFilePages(addr: number, len: number, prot: number, pgoff: number, flags = 0): Promise<number> {
    return this.ret('remapFilePages', addr, len, prot, pgoff, flags);
  }

  madvise(addr: number, len: number, advice: number): Promise<number> {
    return this.ret('madvise', addr, len, advice);
  }

  /** Reads the pages in and keeps them; flag 1 (MLOCK_ONFAULT) waits for their first touch. */
  mlock(addr: number, len: number, flags = 0): Promise<number> {
    return this.ret('mlock', addr, len, flags);
  }

  munlock(addr: number, len: number): Promise<number> {
    return this.ret('munlock', addr, len);
  }

  /** Read memory as the CPU does. `ret` and `bytes` say how far it came, `signal` what stopped it. */
  load(addr: number, len: number): Promise<CallResult> {
    return this.call('load', addr, len);
  }

  /** Write memory as the CPU does. */
  store(addr: number, bytes: Uint8Array): Promise<CallResult> {
    return this.call('store', addr, bytes);
  }

  /** All `len` bytes at addr; throws SignalError. */
  async read(addr: number, len: number): Promise<Uint8Array> {
    const result = await this.load(addr, len);
    if (result.signal) throw new SignalError('load', result.signal);
    must('load', result.ret);
    return result.bytes ?? new Uint8Array();
  }

  /** As `read`, into memory that is there already: of much data the first touch of new memory costs more than all else. */
  async readInto(addr: number, into: Uint8Array): Promise<void> {
    const result = await this.transport.call(this.tid, 'load', [addr, into.length], into);
    if (result.signal) throw new SignalError('load', result.signal);
    must('load', result.ret);
    const { bytes } = result;
    if (bytes !== undefined && bytes.buffer !== into.buffer) into.set(bytes);
  }

  /** Store all bytes; throws SignalError. */
  async write(addr: number, bytes: Uint8Array): Promise<void> {
    const result = await this.store(addr, bytes);
    if (result.signal) throw new SignalError('store', result.signal);
    must('store', result.ret);
  }

  /** Fork. Only this thread exists in the child; `child` is of no use when `ret` is negative. */
  async fork(): Promise<ForkResult> {
    const ret = await this.ret('fork');
    return { ret, child: new ProcessHandle(this.transport, ret) };
  }

  /** A new thread of the same process. Throws SyscallError. */
  async newThread(): Promise<ThreadHandle> {
    return new ThreadHandle(this.transport, must('thread', await this.ret('thread')));
  }

  /** End the whole process. */
  exit(code = 0): Promise<number> {
    return this.ret('exit', code);
  }

  kill(pid: number, signo: number): Promise<number> {
    return this.ret('kill', pid, signo);
  }

  /** Wait for a child to end; -1 is any child. Blocks. */
  async wait(pid = -1): Promise<WaitResult> {
    const result = await this.call('wait', pid);
    return { ret: result.ret, status: result.status ?? 0 };
  }

  /** Answers the descriptor. */
  open(path: string, flags = O_RDWR, mode = 0): Promise<number> {
    return this.ret('open', path, flags, mode);
  }

  close(fd: number): Promise<number> {
    return this.ret('close', fd);
  }

  /** `ret` bytes in `bytes`. */
  pread(fd: number, len: number, offsetBytes: number): Promise<CallResult> {
    return this.call('pread', fd, len, offsetBytes);
  }

  pwrite(fd: number, bytes: Uint8Array, offsetBytes: number): Promise<number> {
    return this.ret('pwrite', fd, bytes, offsetBytes);
  }

  /** Answers the new position; `whence` is one of SEEK_SET and its like. */
  lseek(fd: number, offsetBytes: number, whence: number): Promise<number> {
    return this.ret('lseek', fd, offsetBytes, whence);
  }

  ftruncate(fd: number, len: number): Promise<number> {
    return this.ret('ftruncate', fd, len);
  }

  unlink(path: string): Promise<number> {
    return this.ret('unlink', path);
  }

  /** ioctl(2): the argument is an address (or a plain number) of this process. `dialect` names another numbering for this call. */
  ioctl(fd: number, cmd: number, arg: number, dialect?: string): Promise<number> {
    return dialect === undefined ? this.ret('ioctl', fd, cmd, arg) : this.ret('ioctl', fd, cmd, arg, dialect);
  }

  /** ioctl over a scratch page of this process: `bytes` go in, and the result's `bytes` are what the page holds afterwards. */
  ioctlBytes(fd: number, cmd: number, bytes: Uint8Array, dialect?: string): Promise<CallResult> {
    return dialect === undefined
      ? this.call('ioctlBytes', fd, cmd, bytes)
      : this.call('ioctlBytes', fd, cmd, bytes, dialect);
  }

  sigaction(signo: number, disposition: 'catch' | 'default'): Promise<number> {
    return this.ret('sigaction', signo, disposition);
  }
}

/** A process, which is also its main thread: their ids are one number. */
export class ProcessHandle extends ThreadHandle {
  get pid(): number {
    return this.tid;
  }

  static async create(transport: Transport): Promise<ProcessHandle> {
    return new ProcessHandle(transport, await transport.createProcess());
  }
}
