// The device as a client sees it: one method a command of lib/test_hmm.c.

import { type CommandName, commandNumber, DEFAULT_DIALECT, type Dialect, dialectByName } from '../dialect.js';
import { EINTR } from '../errno.js';
import { O_RDWR } from '../fcntl.js';
import { decodeResult, encodeHmmDmirrorCmd } from '../hmm-dmirror.js';
import { PAGE_SIZE } from '../mman.js';
import type { MappedMemory } from './mapped-memory.js';
import type { ThreadHandle } from './process-handle.js';
import { must } from './transport.js';

/** What a command answered. */
export interface CommandResult {
  /** 0 or a negative errno. */
  ret: number;
  /** Pages the record says were copied; 0 on error, as the record is then not written back. */
  cpages: number;
  /** Device faults the record says were taken; 0 on error. */
  faults: number;
}

/** A command's answer with what it stored at `ptr`. */
export interface DataResult extends CommandResult {
  /** npages * 4096 bytes (SNAPSHOT: npages); empty on error and for commands that store nothing. */
  data: Uint8Array;
}

export interface DmirrorOptions {
  /** The numbering to use, named in each call; the one that the file was opened in unless given. */
  dialect?: string;
}

const NO_DATA = new Uint8Array();
/** What `open` maps for the data of commands: nothing of it is touched before its use. */
const FIRST_BUFFER_BYTES = 1024 * PAGE_SIZE;

/** A dialect lacks a command that a caller asked for by name. */
export class UnknownCommandError extends Error {
  constructor(dialect: Dialect, name: CommandName) {
    super(`dialect ${dialect.id} has no ${name}`);
    this.name = 'UnknownCommandError';
  }
}

/** An open /dev/hmm_dmirrorN, used from one thread. `addr` is a multiple of 4096. */
export class Dmirror {
  readonly thread: ThreadHandle;
  readonly fd: number;
  private readonly dialect: Dialect;
  /** Sent with each call; the file's own dialect when undefined. */
  private readonly dialectName: string | undefined;
  private buffer: MappedMemory | undefined;

  constructor(thread: ThreadHandle, fd: number, options: DmirrorOptions = {}) {
    const name = options.dialect ?? thread.transport.dialect ?? DEFAULT_DIALECT;
    const dialect = dialectByName(name);
    if (!dialect) throw new Error(`no dialect ${name}`);
    this.thread = thread;
    this.fd = fd;
    this.dialect = dialect;
    this.dialectName = options.dialect;
  }

  /**
   * Open device 0 to 3, with a buffer for the data of its commands: up to 1024 pages each command is issued before the first await, so that
   * it races with what is issued beside it, in either order of writing. Throws SyscallError.
   */
  static async open(thread: ThreadHandle, minor: number, options: DmirrorOptions = {}): Promise<Dmirror> {
    const path = `/dev/hmm_dmirror${minor}`;
    const device = new Dmirror(thread, must(`open ${path}`, await thread.open(path, O_RDWR)), options);
    await device.mapBuffer(FIRST_BUFFER_BYTES);
    return device;
  }

  /** The same open file used by another thread, or by a child that inherited the descriptor. */
  as(thread: ThreadHandle): Dmirror {
    return new Dmirror(thread, this.fd, this.dialectName === undefined ? {} : { dialect: this.dialectName });
  }

  close(): Promise<number> {
    return this.thread.close(this.fd);
  }

  /** Any command with a buffer of the caller's. It is issued before the first await, so that two of them race; -EINTR repeats. */
  async command(name: CommandName, addr: number, npages: number, ptr = 0): Promise<CommandResult> {
    const number = commandNumber(this.dialect, name);
    if (number === undefined) throw new UnknownCommandError(this.dialect, name);
    const record = encodeHmmDmirrorCmd({ addr, ptr, npages });
    for (;;) {
      const result = await this.thread.ioctlBytes(this.fd, number, record, this.dialectName);
      if (result.ret === -EINTR) continue;
      if (result.ret < 0 || !result.bytes) return { ret: result.ret, cpages: 0, faults: 0 };
      return { ret: result.ret, ...decodeResult(result.bytes) };
    }
  }

  /** READ: fault pages into the mirror and copy them. */
  read(addr: number, npages: number): Promise<DataResult> {
    return this.dataOut('READ', addr, npages, npages * PAGE_SIZE);
  }

  /** WRITE: whole pages. */
  async write(addr: number, bytes: Uint8Array): Promise<CommandResult> {
    const buffer = this.bufferOf(bytes.byteLength) ?? (await this.mapBuffer(bytes.byteLength));
    const npages = bytes.byteLength / PAGE_SIZE;
    const issued = [buffer.writeBytes(bytes), this.command('WRITE', addr, npages, buffer.addr)] as const;
    return (await Promise.all(issued))[1];
  }

  migrateToDev(addr: number, npages: number): Promise<DataResult> {
    return this.dataOut('MIGRATE_TO_DEV', addr, npages, npages * PAGE_SIZE);
  }

  migrateOnFaultToDev(addr: number, npages: number): Promise<DataResult> {
    return this.dataOut('MIGRATE_ON_FAULT_TO_DEV', addr, npages, npages * PAGE_SIZE);
  }

  migrateToSys(addr: number, npages: number): Promise<CommandResult> {
    return this.command('MIGRATE_TO_SYS', addr, npages);
  }

  /** One HMM_DMIRROR_PROT_* byte a page. */
  snapshot(addr: number, npages: number): Promise<DataResult> {
    return this.dataOut('SNAPSHOT', addr, npages, npages);
  }

  exclusive(addr: number, npages: number): Promise<DataResult> {
    return this.dataOut('EXCLUSIVE', addr, npages, npages * PAGE_SIZE);
  }

  checkExclusive(addr: number, npages: number): Promise<CommandResult> {
    return this.command('CHECK_EXCLUSIVE', addr, npages);
  }

  /** Free all memory of the device. The range must be valid and means nothing. */
  release(addr: number, npages: number): Promise<CommandResult> {
    return this.command('RELEASE', addr, npages);
  }

  private async dataOut(name: CommandName, addr: number, npages: number, sizeBytes: number): Promise<DataResult> {
    const buffer = this.bufferOf(sizeBytes) ?? (await this.mapBuffer(sizeBytes));
    const result = await this.command(name, addr, npages, buffer.addr);
    return { ...result, data: result.ret < 0 ? NO_DATA : await buffer.readBytes(0, sizeBytes) };
  }

  /** The mapping that `ptr` points to. It is kept for the next command, and replaced when too small. */
  private bufferOf(sizeBytes: number): MappedMemory | undefined {
    return this.buffer && this.buffer.sizeBytes >= sizeBytes ? this.buffer : undefined;
  }

  private async mapBuffer(sizeBytes: number): Promise<MappedMemory> {
    if (this.buffer) await this.buffer.unmap();
    this.buffer = undefined;
    const size = Math.max(PAGE_SIZE, Math.ceil(sizeBytes / PAGE_SIZE) * PAGE_SIZE);
    this.buffer = await this.thread.map(size);
    return this.buffer;
  }
}
