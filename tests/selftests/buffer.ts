import type { Dmirror } from '../../uapi/client/dmirror-device.js';
import type { MappedMemory } from '../../uapi/client/mapped-memory.js';
import type { MmapOptions, ThreadHandle } from '../../uapi/client/process-handle.js';
import type { CommandName } from '../../uapi/dialect.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { BytePool } from '../../uapi/wire/byte-pool.js';
import { expectEqual, expectRet, expectWords } from './expect.js';
import { scale } from './scale.js';

export const TWO_MEG = 2 << 20;

export interface BufferOptions extends MmapOptions {
  sizeBytes?: number;
}

export interface CommandOptions {
  /** All pages from the first one on, unless given. */
  npages?: number;
  firstPage?: number;
}

const KEPT_BYTES = 16 << 20;

/** What was read, until it is compared. */
const seen = new BytePool(KEPT_BYTES);

async function expectBytes(memory: MappedMemory, words: Uint32Array, what: string): Promise<void> {
  const bytes = seen.take(words.byteLength);
  await memory.readInto(bytes);
  expectWords(bytes, words, what);
  seen.give(bytes);
}

/** Memory that a case hands to the device, and the mirror buffer of the same size that commands' `ptr` points to. */
export class HmmBuffer {
  readonly memory: MappedMemory;
  readonly mirror: MappedMemory;

  constructor(memory: MappedMemory, mirror: MappedMemory) {
    this.memory = memory;
    this.mirror = mirror;
  }

  /** Private anonymous read-write memory unless the options say otherwise. */
  static async create(thread: ThreadHandle, options: BufferOptions = {}): Promise<HmmBuffer> {
    const sizeBytes = options.sizeBytes ?? scale.bufferBytes;
    const mirror = await thread.map(sizeBytes);
    return new HmmBuffer(await thread.map(sizeBytes, options), mirror);
  }

  get npages(): number {
    return this.memory.sizeBytes / PAGE_SIZE;
  }

  get words(): number {
    return this.memory.sizeBytes / 4;
  }

  /** The same addresses in a forked child. */
  as(thread: ThreadHandle): HmmBuffer {
    return new HmmBuffer(this.memory.as(thread), this.mirror.as(thread));
  }

  /** A command whose `ptr` is the mirror buffer; issued before the first await. */
  command(device: Dmirror, name: CommandName, options: CommandOptions = {}) {
    const { firstPage = 0 } = options;
    const npages = options.npages ?? this.npages - firstPage;
    return device.command(name, this.memory.addr + firstPage * PAGE_SIZE, npages, this.mirror.addr);
  }

  /** A command that must succeed on all its pages, with as many device faults as said. */
  async commandOk(
    device: Dmirror,
    name: CommandName,
    options: CommandOptions & { faults?: number } = {},
  ): Promise<void> {
    const result = await this.command(device, name, options);
    expectRet(result.ret, 0, name);
    expectEqual(result.cpages, options.npages ?? this.npages - (options.firstPage ?? 0), `${name}: cpages`);
    if (options.faults !== undefined) expectEqual(result.faults, options.faults, `${name}: faults`);
  }

  async commandFails(device: Dmirror, name: CommandName, errno: number, options: CommandOptions = {}): Promise<void> {
    expectRet((await this.command(device, name, options)).ret, -errno, name);
  }

  /** What the CPU sees, from the start on. */
  async expectMemory(words: Uint32Array, what = 'memory'): Promise<void> {
    await expectBytes(this.memory, words, what);
  }

  /** What the device stored, from the start on. */
  async expectMirror(words: Uint32Array, what = 'device data'): Promise<void> {
    await expectBytes(this.mirror, words, what);
  }

  /** SNAPSHOT bytes, one a page. */
  async snapshot(device: Dmirror): Promise<Uint8Array> {
    await this.commandOk(device, 'SNAPSHOT');
    return this.mirror.readBytes(0, this.npages);
  }

  async protect(thread: ThreadHandle, prot: number, options: CommandOptions = {}): Promise<void> {
    const { firstPage = 0 } = options;
    const npages = options.npages ?? this.npages - firstPage;
    const ret = await thread.mprotect(this.memory.addr + firstPage * PAGE_SIZE, npages * PAGE_SIZE, prot);
    expectRet(ret, 0, 'mprotect');
  }

  async free(): Promise<void> {
    await this.memory.unmap();
    await this.mirror.unmap();
  }
}
