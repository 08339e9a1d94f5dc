import { EBUSY, EINVAL, EPERM } from '../../../uapi/errno.js';
import { LockClass } from '../../core/lock-class.js';
import { Mutex } from '../../core/locks.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { backingPfn, folioPut } from '../../mm/frames/folio.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Machine } from '../machine/machine.js';

/** Linux: PIPE_DEF_BUFFERS */
const PIPE_BUFFERS = 16;
/** The largest pipe, and how many buffers all pipes may have beyond those that they begin with. Linux: pipe_max_size, pipe_user_pages_soft */
const PIPE_MAX_BYTES = 2 ** 20;
const PIPE_PAGES_SOFT = 16384;

/** At most a page: bytes of its own, or of somebody's page, which it has a reference to. Linux: struct pipe_buffer */
export type PipeBuffer =
  | { readonly pfn: null; readonly bytes: Uint8Array; start: number; end: number }
  | { readonly pfn: number; readonly bytes: null; start: number; end: number };

/** What both ends share. Linux: struct pipe_inode_info */
export class Pipe {
  /** Protected by `mutex`, as is `maxUsage`; without it they are looked at by poll(2) alone. */
  private readonly buffers: PipeBuffer[] = [];
  private maxUsage = PIPE_BUFFERS;
  readonly mutex: Mutex;
  readers = 0;
  writers = 0;
  readonly changed = new WaitQueue('pipe');

  constructor(readonly machine: Machine) {
    this.mutex = new Mutex(machine.kernel, LockClass.pipeMutex, 'pipe_mutex');
  }

  get used(): number {
    return this.buffers.reduce((sum, { start, end }) => sum + (end - start), 0);
  }

  get isEmpty(): boolean {
    return this.buffers.length === 0;
  }

  get isFull(): boolean {
    return this.buffers.length >= this.maxUsage;
  }

  get sizeBytes(): number {
    return this.maxUsage * PAGE_SIZE;
  }

  get first(): PipeBuffer | undefined {
    return this.buffers[0];
  }

  /** The last buffer if `chars` more bytes fit into it, and it is the pipe's own. */
  mergeable(chars: number): (PipeBuffer & { pfn: null }) | null {
    const last = this.buffers.at(-1);
    return last !== undefined && last.pfn === null && last.end + chars <= PAGE_SIZE ? last : null;
  }

  bytesOf({ pfn, bytes, start, end }: PipeBuffer): Uint8Array {
    if (pfn === null) return bytes.slice(start, end);
    const { memory } = this.machine;
    memory.contentIsRead(pfn);
    const from = backingPfn(memory, pfn) * PAGE_SIZE;
    return memory.bytes.slice(from + start, from + end);
  }

  /** So many bytes of the first buffer were read. */
  consume(chars: number): void {
    const buffer = this.buffers[0]!;
    buffer.start += chars;
    if (buffer.start === buffer.end) this.release(this.buffers.shift()!);
  }

  /** An empty one at the end. */
  addBuffer(): PipeBuffer & { pfn: null } {
    const buffer = { pfn: null, bytes: new Uint8Array(PAGE_SIZE), start: 0, end: 0 };
    this.buffers.push(buffer);
    return buffer;
  }

  /** Bytes [start, end) of a page, whose reference it takes over. */
  addPage(pfn: number, start: number, end: number): void {
    const { memory } = this.machine;
    memory.pipePages.set(pfn, (memory.pipePages.get(pfn) ?? 0) + 1);
    this.buffers.push({ pfn, bytes: null, start, end });
  }

  private release({ pfn }: PipeBuffer): void {
    if (pfn === null) return;
    const { memory } = this.machine;
    const left = memory.pipePages.get(pfn)! - 1;
    if (left === 0) memory.pipePages.delete(pfn);
    else memory.pipePages.set(pfn, left);
    folioPut(memory, pfn);
  }

  /**
   * The size that it then has, or a negative errno. Linux: part of fs/pipe.c:pipe_set_size()
   * Deviates: who has all capabilities, as everybody here, may go beyond pipe-max-size there.
   */
  setSize(bytes: number): number {
    if (bytes > 2 ** 31) return -EINVAL;
    const slots = 2 ** Math.ceil(Math.log2(Math.max(bytes, PAGE_SIZE) / PAGE_SIZE));
    const { pipeGrowth } = this.machine;
    const growth = pipeGrowth.buffers + slots - this.maxUsage;
    if (slots > this.maxUsage && (slots * PAGE_SIZE > PIPE_MAX_BYTES || growth > PIPE_PAGES_SOFT)) return -EPERM;
    if (slots < this.buffers.length) return -EBUSY;
    pipeGrowth.buffers = growth;
    this.maxUsage = slots;
    this.wake();
    return this.sizeBytes;
  }

  /** Both ends are closed. Linux: part of fs/pipe.c:free_pipe_info() */
  freeIfUnused(): void {
    if (this.readers > 0 || this.writers > 0) return;
    for (const buffer of this.buffers.splice(0)) this.release(buffer);
    this.machine.pipeGrowth.buffers -= this.maxUsage - PIPE_BUFFERS;
  }

  wake(): void {
    this.changed.wakeAll();
    this.machine.pollers.wakeAll();
  }
}
