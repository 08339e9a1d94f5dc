import { EAGAIN, EBADF, EINTR, EPIPE, ESPIPE } from '../../../uapi/errno.js';
import { O_NONBLOCK, O_RDONLY, O_WRONLY } from '../../../uapi/fcntl.js';
import { SIGPIPE } from '../../../uapi/signal.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Machine } from '../machine/machine.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import { sendSignal } from '../processes/send-signal.js';
import { SI_USER } from '../processes/signal-info.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, POLL, S_IFIFO } from './open-file.js';

const PIPE_BYTES = 65536;
/** A write of at most this is never torn. */
const PIPE_BUF = 4096;

/** What both ends share. Linux: struct pipe_inode_info */
class Pipe {
  readonly buffer = new Uint8Array(PIPE_BYTES);
  start = 0;
  used = 0;
  readers = 1;
  writers = 1;
  readonly changed = new WaitQueue('pipe');

  constructor(readonly machine: Machine) {}

  get room(): number {
    return PIPE_BYTES - this.used;
  }

  take(lenBytes: number): Uint8Array {
    const out = new Uint8Array(Math.min(lenBytes, this.used));
    for (let i = 0; i < out.length; i++) out[i] = this.buffer[(this.start + i) % PIPE_BYTES]!;
    this.start = (this.start + out.length) % PIPE_BYTES;
    this.used -= out.length;
    this.wake();
    return out;
  }

  add(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.buffer[(this.start + this.used + i) % PIPE_BYTES] = bytes[i]!;
    this.used += bytes.length;
    this.wake();
  }

  wake(): void {
    this.changed.wakeAll();
    this.machine.pollers.wakeAll();
  }
}

abstract class PipeEnd extends OpenFile {
  constructor(
    protected readonly pipe: Pipe,
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
    this.pipe.wake();
  }
}

class PipeWriter extends PipeEnd {
  override *read(): Coroutine<number> {
    return -EBADF;
  }

  /** Linux: part of fs/pipe.c:pipe_write() */
  override *write(thread: Thread, bytes: Uint8Array): Coroutine<number> {
    const { pipe } = this;
    for (let done = 0; ; ) {
      if (pipe.readers === 0) {
        sendSignal(thread.process, SIGPIPE, { signo: SIGPIPE, code: SI_USER, pid: thread.process.pid });
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

  override poll(): number {
    if (this.pipe.readers === 0) return POLL.out | POLL.err;
    return this.pipe.room >= PIPE_BUF ? POLL.out : 0;
  }

  override *release(): Coroutine<void> {
    this.pipe.writers--;
    this.pipe.wake();
  }
}

/** pipe2(2): the end to read from and the one to write to. */
export function createPipe(machine: Machine, flags: number): { reader: OpenFile; writer: OpenFile } {
  const pipe = new Pipe(machine);
  const own = flags & O_NONBLOCK;
  return { reader: new PipeReader(pipe, O_RDONLY | own), writer: new PipeWriter(pipe, O_WRONLY | own) };
}
