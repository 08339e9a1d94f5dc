import { EAGAIN, EBADF, EFAULT, EINTR, EPIPE, ESPIPE } from '../../../uapi/errno.js';
import { O_NONBLOCK, O_RDONLY, O_WRONLY } from '../../../uapi/fcntl.js';
import { SIGPIPE } from '../../../uapi/signal.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { getUserPagesFast } from '../../mm/faults/gup-fast.js';
import { backingPfn, folioPut } from '../../mm/frames/folio.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Machine } from '../machine/machine.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import { sendSignal } from '../processes/send-signal.js';
import { SI_USER } from '../processes/signal-info.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, POLL, S_IFIFO } from './open-file.js';

/** Buffers of a pipe, each of a page at most. Linux: PIPE_DEF_BUFFERS */
const PIPE_BUFFERS = 16;
/** A write of at most this is never torn. */
const PIPE_BUF = 4096;

/** Bytes of its own, or of somebody's page, which it has a reference to. Linux: struct pipe_buffer */
type PipeBuffer =
  | { readonly pfn: null; readonly bytes: Uint8Array; start: number; end: number }
  | { readonly pfn: number; readonly bytes: null; start: number; end: number };

/** What both ends share. Linux: struct pipe_inode_info */
export class Pipe {
  private readonly buffers: PipeBuffer[] = [];
  readers = 1;
  writers = 1;
  readonly changed = new WaitQueue('pipe');

  constructor(readonly machine: Machine) {}

  get used(): number {
    return this.buffers.reduce((sum, { start, end }) => sum + (end - start), 0);
  }

  get isFull(): boolean {
    return this.buffers.length === PIPE_BUFFERS;
  }

  /** Bytes that can be written: what is written goes on in the last buffer, unless that is somebody's page. */
  get room(): number {
    const last = this.buffers.at(-1);
    const inLast = last === undefined || last.pfn !== null ? 0 : PIPE_BUF - last.end;
    return inLast + (PIPE_BUFFERS - this.buffers.length) * PIPE_BUF;
  }

  take(lenBytes: number): Uint8Array {
    const out = new Uint8Array(Math.min(lenBytes, this.used));
    for (let done = 0; done < out.length; ) {
      const buffer = this.buffers[0]!;
      const n = Math.min(out.length - done, buffer.end - buffer.start);
      out.set(this.bytesOf(buffer).subarray(buffer.start, buffer.start + n), done);
      buffer.start += n;
      done += n;
      if (buffer.start === buffer.end) this.release(this.buffers.shift()!);
    }
    this.wake();
    return out;
  }

  private bytesOf({ pfn, bytes }: PipeBuffer): Uint8Array {
    if (pfn === null) return bytes;
    const { memory } = this.machine;
    memory.contentIsRead(pfn);
    const from = backingPfn(memory, pfn) * PAGE_SIZE;
    return memory.bytes.subarray(from, from + PAGE_SIZE);
  }

  add(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      let last = this.buffers.at(-1);
      if (last === undefined || last.pfn !== null || last.end === PIPE_BUF) {
        last = { pfn: null, bytes: new Uint8Array(PIPE_BUF), start: 0, end: 0 };
        this.buffers.push(last);
      }
      const n = Math.min(PIPE_BUF - last.end, bytes.length - done);
      last.bytes.set(bytes.subarray(done, done + n), last.end);
      last.end += n;
      done += n;
    }
    this.wake();
  }

  /** Bytes [start, end) of a page, whose reference it takes over. */
  addPage(pfn: number, start: number, end: number): void {
    const { memory } = this.machine;
    memory.pipePages.set(pfn, (memory.pipePages.get(pfn) ?? 0) + 1);
    this.buffers.push({ pfn, bytes: null, start, end });
    this.wake();
  }

  private release({ pfn }: PipeBuffer): void {
    if (pfn === null) return;
    const { memory } = this.machine;
    const left = memory.pipePages.get(pfn)! - 1;
    if (left === 0) memory.pipePages.delete(pfn);
    else memory.pipePages.set(pfn, left);
    folioPut(memory, pfn);
  }

  /** Both ends are closed. Linux: part of fs/pipe.c:free_pipe_info() */
  freeIfUnused(): void {
    if (this.readers > 0 || this.writers > 0) return;
    for (const buffer of this.buffers.splice(0)) this.release(buffer);
  }

  wake(): void {
    this.changed.wakeAll();
    this.machine.pollers.wakeAll();
  }
}

export abstract class PipeEnd extends OpenFile {
  constructor(
    readonly pipe: Pipe,
    flags: number,
  ) {
    super(pipe.machine, flags);
  }

  override get isSeekable(): boolean {
    return false;
  }

  override stat(): FileStat {
    return { mode: S_IFIFO | 0o600, size: 0, ino: 4, rdev: 0 };
  }

  override *pread(): Coroutine<number> {
    return -ESPIPE;
  }

  override *pwrite(): Coroutine<number> {
    return -ESPIPE;
  }
}

class PipeReader extends PipeEnd {
  /** Linux: part of fs/pipe.c:pipe_read() */
  override *read(thread: Thread, lenBytes: number): Coroutine<Uint8Array | number> {
    const { pipe } = this;
    while (pipe.used === 0) {
      if (pipe.writers === 0 || lenBytes === 0) return new Uint8Array();
      if (this.flags & O_NONBLOCK) return -EAGAIN;
      const end = yield* waitEventInterruptibleTimeout(thread, pipe.changed, null);
      if (end === 'signal' && pipe.used === 0) return -EINTR;
    }
    return pipe.take(lenBytes);
  }

  override *write(): Coroutine<number> {
    return -EBADF;
  }

  override poll(): number {
    return (this.pipe.used > 0 ? POLL.in : 0) | (this.pipe.writers === 0 ? POLL.hup : 0);
  }

  override *release(): Coroutine<void> {
    this.pipe.readers--;
    this.pipe.freeIfUnused();
    this.pipe.wake();
  }
}

function sendSigpipe({ process }: Thread): void {
  sendSignal(process, SIGPIPE, { signo: SIGPIPE, code: SI_USER, pid: process.pid });
}

export class PipeWriter extends PipeEnd {
  override *read(): Coroutine<number> {
    return -EBADF;
  }

  /** Linux: part of fs/pipe.c:pipe_write() */
  override *write(thread: Thread, bytes: Uint8Array): Coroutine<number> {
    const { pipe } = this;
    for (let done = 0; ; ) {
      if (pipe.readers === 0) {
        sendSigpipe(thread);
        return done > 0 ? done : -EPIPE;
      }
      const left = bytes.length - done;
      if (left <= PIPE_BUF ? pipe.room >= left : pipe.room > 0) {
        const chunk = bytes.subarray(done, done + pipe.room);
        pipe.add(chunk);
        done += chunk.length;
      }
      if (done === bytes.length) return done;
      if (this.flags & O_NONBLOCK) return done > 0 ? done : -EAGAIN;
      if ((yield* waitEventInterruptibleTimeout(thread, pipe.changed, null)) === 'signal')
        return done > 0 ? done : -EINTR;
    }
  }

  /** The pages of [addr, addr + len) go into the pipe as they are: bytes done, or a negative errno. Linux: part of fs/splice.c:vmsplice_to_pipe() */
  *vmsplice(thread: Thread, { addr, len }: { addr: number; len: number }, isNonblock: boolean): Coroutine<number> {
    const { pipe } = this;
    const found: number[] = [];
    let done = 0;
    while (done < len) {
      if (pipe.readers === 0) {
        sendSigpipe(thread);
        return done > 0 ? done : -EPIPE;
      }
      if (pipe.isFull) {
        // It waits for room to begin with, not for more.
        if (done > 0) return done;
        if (isNonblock || this.flags & O_NONBLOCK) return -EAGAIN;
        if ((yield* waitEventInterruptibleTimeout(thread, pipe.changed, null)) === 'signal') return -EINTR;
        continue;
      }
      const at = addr + done;
      const start = at % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - start, len - done);
      const got = yield* getUserPagesFast(thread.process.mm, at, 1, 0, found);
      if (got !== 1) return done > 0 ? done : got === 0 ? -EFAULT : got;
      pipe.addPage(found[0]!, start, start + n);
      done += n;
    }
    return done;
  }

  override poll(): number {
    if (this.pipe.readers === 0) return POLL.out | POLL.err;
    return this.pipe.room >= PIPE_BUF ? POLL.out : 0;
  }

  override *release(): Coroutine<void> {
    this.pipe.writers--;
    this.pipe.freeIfUnused();
    this.pipe.wake();
  }
}

/** pipe2(2): the end to read from and the one to write to. */
export function createPipe(machine: Machine, flags: number): { reader: OpenFile; writer: OpenFile } {
  const pipe = new Pipe(machine);
  const own = flags & O_NONBLOCK;
  return { reader: new PipeReader(pipe, O_RDONLY | own), writer: new PipeWriter(pipe, O_WRONLY | own) };
}
