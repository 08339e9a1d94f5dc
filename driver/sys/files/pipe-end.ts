import { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, ENOTTY, EPIPE } from '../../../uapi/errno.js';
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../../../uapi/fcntl.js';
import { SIGPIPE } from '../../../uapi/signal.js';
import type { Coroutine } from '../../core/effect.js';
import { getUserPagesFast } from '../../mm/faults/gup-fast.js';
import type { IovIter, UserIter } from '../../mm/faults/iov-iter.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Machine } from '../machine/machine.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import { sendSignal } from '../processes/send-signal.js';
import { SI_USER } from '../processes/signal-info.js';
import type { Thread } from '../processes/thread.js';
import { words32, writeUser } from '../processes/user-memory.js';
import { type FileStat, type IoctlRequest, OpenFile, POLL, S_IFIFO } from './open-file.js';
import { Pipe } from './pipe.js';

const FIONREAD = 0x541b;
const INO = 4;

/** What is open of a pipe: one of its ends, or by a link in /proc both. */
export class PipeEnd extends OpenFile {
  constructor(
    readonly pipe: Pipe,
    flags: number,
  ) {
    super(pipe.machine, flags);
    this.path = `pipe:[${INO}]`;
    if (this.isReadable) pipe.readers++;
    if (this.isWritable) pipe.writers++;
  }

  /** It waits for nobody at the other end. Linux: part of fs/pipe.c:fifo_open() */
  override *reopen(_thread: Thread, flags: number): Coroutine<OpenFile | number> {
    return (flags & O_ACCMODE) === O_ACCMODE ? -EINVAL : new PipeEnd(this.pipe, flags);
  }

  override get isSeekable(): boolean {
    return false;
  }

  override stat(): FileStat {
    return { mode: S_IFIFO | 0o600, size: 0, ino: INO, rdev: 0 };
  }

  /** Linux: part of fs/pipe.c:pipe_ioctl() */
  override *ioctl({ process }: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    const { pipe } = this;
    if (cmd !== FIONREAD) return -ENOTTY;
    yield* pipe.mutex.lock();
    const { used } = pipe;
    pipe.mutex.unlock();
    return yield* writeUser(process.mm, arg, words32(used));
  }

  /** Runs `body` under the mutex, and tells all who wait. */
  private *locked(body: Coroutine<number>): Coroutine<number> {
    const { pipe } = this;
    yield* pipe.mutex.lock();
    const ret = yield* body;
    pipe.mutex.unlock();
    pipe.wake();
    return ret;
  }

  /** Until something changes; 0 or -EINTR. The mutex is held before and after. */
  private *waitForChange(thread: Thread): Coroutine<number> {
    const { pipe } = this;
    pipe.mutex.unlock();
    const end = yield* waitEventInterruptibleTimeout(thread, pipe.changed, null);
    yield* pipe.mutex.lock();
    return end === 'signal' ? -EINTR : 0;
  }

  override *readIter(thread: Thread, to: IovIter): Coroutine<number> {
    if (!this.isReadable) return -EBADF;
    return to.count === 0 ? 0 : yield* this.locked(this.pipeRead(thread, to, (this.flags & O_NONBLOCK) !== 0));
  }

  /** What is in the pipe goes to memory; O_NONBLOCK does not count here. Linux: fs/splice.c:vmsplice_to_user() */
  *vmspliceToUser(thread: Thread, to: IovIter, isNonblock: boolean): Coroutine<number> {
    return yield* this.locked(this.pipeRead(thread, to, isNonblock));
  }

  /** What does not arrive whole stays in its buffer. Linux: fs/pipe.c:pipe_read() */
  private *pipeRead(thread: Thread, to: IovIter, isNonblock: boolean): Coroutine<number> {
    const { pipe } = this;
    let ret = 0;
    for (;;) {
      const { first } = pipe;
      if (first !== undefined) {
        const bytes = pipe.bytesOf(first).subarray(0, to.count);
        if ((yield* to.copyTo(bytes)) < bytes.length) return ret || -EFAULT;
        ret += bytes.length;
        pipe.consume(bytes.length);
        if (to.count === 0) return ret;
        continue;
      }
      if (pipe.writers === 0 || ret > 0) return ret;
      if (isNonblock) return -EAGAIN;
      const error = yield* this.waitForChange(thread);
      if (error !== 0 && pipe.isEmpty) return error;
    }
  }

  override *writeIter(thread: Thread, from: IovIter): Coroutine<number> {
    if (!this.isWritable) return -EBADF;
    return from.count === 0 ? 0 : yield* this.locked(this.pipeWrite(thread, from));
  }

  /** Linux: fs/pipe.c:pipe_write() */
  private *pipeWrite(thread: Thread, from: IovIter): Coroutine<number> {
    const { pipe } = this;
    if (pipe.readers === 0) return sendSigpipe(thread);
    let ret = yield* this.merge(from);
    if (ret < 0 || from.count === 0) return ret;
    for (;;) {
      if (pipe.readers === 0) {
        const error = sendSigpipe(thread);
        return ret || error;
      }
      if (!pipe.isFull) {
        const buffer = pipe.addBuffer();
        const copied = yield* from.copyFrom(buffer.bytes!);
        // The empty buffer stays for whoever reads next.
        if (copied < PAGE_SIZE && from.count > 0) return ret || -EFAULT;
        ret += copied;
        buffer.end = copied;
        if (from.count === 0) return ret;
        continue;
      }
      if (this.flags & O_NONBLOCK) return ret || -EAGAIN;
      pipe.wake();
      const error = yield* this.waitForChange(thread);
      if (error !== 0) return ret || error;
    }
  }

  /** What is over whole pages goes on in the last buffer, if it fits: the bytes of it, or -EFAULT. */
  private *merge(from: IovIter): Coroutine<number> {
    const chars = from.count % PAGE_SIZE;
    const last = chars === 0 ? null : this.pipe.mergeable(chars);
    if (last === null) return 0;
    const bytes = new Uint8Array(chars);
    if ((yield* from.copyFrom(bytes)) < chars) return -EFAULT;
    last.bytes!.set(bytes, last.end);
    last.end += chars;
    return chars;
  }

  /** The pages of `from` go into the pipe as they are: bytes done, or a negative errno. Linux: part of fs/splice.c:vmsplice_to_pipe() */
  *vmsplice(thread: Thread, from: UserIter, isNonblock: boolean): Coroutine<number> {
    return yield* this.locked(this.vmspliceLocked(thread, from, isNonblock));
  }

  private *vmspliceLocked(thread: Thread, from: UserIter, isNonblock: boolean): Coroutine<number> {
    const { pipe } = this;
    // It waits for room to begin with, not for more. Linux: fs/splice.c:wait_for_space()
    for (;;) {
      if (pipe.readers === 0) return sendSigpipe(thread);
      if (!pipe.isFull) return yield* this.iterToPipe(thread, from);
      if (isNonblock) return -EAGAIN;
      const error = yield* this.waitForChange(thread);
      if (error !== 0) return error;
    }
  }

  /** Linux: fs/splice.c:iter_to_pipe() */
  private *iterToPipe(thread: Thread, from: UserIter): Coroutine<number> {
    const { pipe } = this;
    let done = 0;
    for (let { here } = from; here !== null && !pipe.isFull; { here } = from) {
      const start = here.addr % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - start, here.len);
      const found: number[] = [];
      const got = yield* getUserPagesFast(thread.process.mm, here.addr, 1, 0, found);
      if (got !== 1) return done || (got === 0 ? -EFAULT : got);
      pipe.addPage(found[0]!, start, start + n);
      from.advance(n);
      done += n;
    }
    return done;
  }

  /** Linux: part of fs/pipe.c:pipe_poll() */
  override poll(): number {
    const { pipe } = this;
    const reading = this.isReadable ? (pipe.isEmpty ? 0 : POLL.in) | (pipe.writers === 0 ? POLL.hup : 0) : 0;
    const writing = this.isWritable ? (pipe.isFull ? 0 : POLL.out) | (pipe.readers === 0 ? POLL.err : 0) : 0;
    return reading | writing;
  }

  /** Linux: part of fs/pipe.c:pipe_release() */
  override *release(): Coroutine<void> {
    const { pipe } = this;
    if (this.isReadable) pipe.readers--;
    if (this.isWritable) pipe.writers--;
    pipe.freeIfUnused();
    pipe.wake();
  }
}

function sendSigpipe({ process }: Thread): number {
  sendSignal(process, SIGPIPE, { signo: SIGPIPE, code: SI_USER, pid: process.pid });
  return -EPIPE;
}

/** pipe2(2): the end to read from and the one to write to. */
export function createPipe(machine: Machine, flags: number): { reader: PipeEnd; writer: PipeEnd } {
  const pipe = new Pipe(machine);
  const own = flags & O_NONBLOCK;
  return { reader: new PipeEnd(pipe, O_RDONLY | own), writer: new PipeEnd(pipe, O_WRONLY | own) };
}
