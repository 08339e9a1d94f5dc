import { SyscallError } from './transport.js';

/** What Memory needs of a thread. */
export interface MemoryOwner {
  read(addr: number, len: number): Promise<Uint8Array>;
  readInto(addr: number, into: Uint8Array): Promise<void>;
  write(addr: number, bytes: Uint8Array): Promise<void>;
  munmap(addr: number, len: number): Promise<number>;
}

/**
 * A typed view of a range of a process's memory. Each access is one system call for the whole of what is asked, through the page tables,
 * as if the thread's CPU did it; a signal throws SignalError. Offsets are in bytes from the start. Words are little endian.
 */
export class MappedMemory {
  readonly owner: MemoryOwner;
  readonly addr: number;
  readonly sizeBytes: number;

  constructor(owner: MemoryOwner, addr: number, sizeBytes: number) {
    this.owner = owner;
    this.addr = addr;
    this.sizeBytes = sizeBytes;
  }

  /** The address one past the last byte. */
  get end(): number {
    return this.addr + this.sizeBytes;
  }

  /** The same memory through another thread: a forked child's, say. */
  as(owner: MemoryOwner): MappedMemory {
    return new MappedMemory(owner, this.addr, this.sizeBytes);
  }

  /** Part of it. */
  slice(offset: number, sizeBytes = this.sizeBytes - offset): MappedMemory {
    if (offset < 0 || offset + sizeBytes > this.sizeBytes) throw new RangeError('slice outside the memory');
    return new MappedMemory(this.owner, this.addr + offset, sizeBytes);
  }

  readBytes(offset = 0, len = this.sizeBytes - offset): Promise<Uint8Array> {
    return this.owner.read(this.addr + offset, len);
  }

  /** Fills `into`, which must not be used before that is done. */
  readInto(into: Uint8Array, offset = 0): Promise<void> {
    return this.owner.readInto(this.addr + offset, into);
  }

  writeBytes(bytes: Uint8Array, offset = 0): Promise<void> {
    return this.owner.write(this.addr + offset, bytes);
  }

  /** `count` words. The array is a copy. */
  async readWords(offset = 0, count = (this.sizeBytes - offset) >>> 2): Promise<Uint32Array> {
    const words = new Uint32Array(count);
    await this.readInto(new Uint8Array(words.buffer), offset);
    return words;
  }

  writeWords(words: Uint32Array, offset = 0): Promise<void> {
    return this.writeBytes(new Uint8Array(words.buffer, words.byteOffset, words.byteLength), offset);
  }

  async readWord(offset: number): Promise<number> {
    return (await this.readWords(offset, 1))[0];
  }

  writeWord(offset: number, word: number): Promise<void> {
    return this.writeWords(Uint32Array.of(word), offset);
  }

  async unmap(): Promise<void> {
    const ret = await this.owner.munmap(this.addr, this.sizeBytes);
    if (ret < 0) throw new SyscallError('munmap', ret);
  }
}
