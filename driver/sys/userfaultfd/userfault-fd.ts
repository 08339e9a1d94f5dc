import { EAGAIN, EINTR, EINVAL } from '../../../uapi/errno.js';
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from '../../../uapi/fcntl.js';
import { writeU64 } from '../../../uapi/u64.js';
import { USERFAULTFD_IOC_NEW } from '../../../uapi/userfaultfd.js';
import type { Coroutine } from '../../core/effect.js';
import { UFFD_USER_MODE_ONLY, UserfaultCtx, type UserfaultEvent } from '../../mm/userfault/ctx.js';
import { userfaultfdRelease } from '../../mm/userfault/register.js';
import { ANON_INODE, type FileStat, type IoctlRequest, OpenFile, POLL } from '../files/open-file.js';
import type { Machine } from '../machine/machine.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import type { Thread } from '../processes/thread.js';
import { userfaultfdIoctl } from './userfault-ioctl.js';

const MESSAGE_BYTES = 32;

/** The reading end of a userfaultfd. Linux: fs/userfaultfd.c */
export class UserfaultFd extends OpenFile {
  constructor(
    private readonly machine: Machine,
    readonly ctx: UserfaultCtx,
  ) {
    super(machine, O_RDONLY | (ctx.flags & O_NONBLOCK));
    this.path = 'anon_inode:[userfaultfd]';
  }

  override get isSeekable(): boolean {
    return false;
  }

  /** It is let go, and moves nothing. Linux: part of fs/read_write.c:noop_llseek() */
  override llseek(): number {
    return this.position;
  }

  override stat(): FileStat {
    return ANON_INODE;
  }

  /** Linux: part of fs/userfaultfd.c:userfaultfd_poll() */
  override poll(): number {
    const { features, waits, events } = this.ctx;
    if (features === null || !(this.flags & O_NONBLOCK)) return POLL.err;
    return events.length > 0 || waits.some(({ isRead }) => !isRead) ? POLL.in : 0;
  }

  /** As many messages as there are and fit; sleeps for the first only. Linux: part of fs/userfaultfd.c:userfaultfd_read_iter() */
  override *read(thread: Thread, lenBytes: number): Coroutine<Uint8Array | number> {
    if (this.ctx.features === null || lenBytes < MESSAGE_BYTES) return -EINVAL;
    const out = new Uint8Array(lenBytes - (lenBytes % MESSAGE_BYTES));
    let done = 0;
    while (done < out.length) {
      const message = this.nextMessage(thread);
      if (message === null) {
        if (done > 0) break;
        if (this.flags & O_NONBLOCK) return -EAGAIN;
        if ((yield* waitEventInterruptibleTimeout(thread, this.ctx.arrived, null)) === 'signal') return -EINTR;
      } else if (typeof message === 'number') {
        return done > 0 ? out.subarray(0, done) : message;
      } else {
        out.set(message, done);
        done += MESSAGE_BYTES;
      }
    }
    return out.subarray(0, done);
  }

  /** Faults come before events. Linux: part of fs/userfaultfd.c:userfaultfd_ctx_read() */
  private nextMessage(thread: Thread): Uint8Array | number | null {
    const wait = this.ctx.waits.find(({ isRead }) => !isRead);
    if (wait !== undefined) {
      wait.isRead = true;
      return messageBytes(wait.msg.event, wait.msg.words);
    }
    const event = this.ctx.events[0];
    if (event === undefined) return null;
    const words = event.forked === null ? event.msg.words : this.resolveUserfaultFork(thread, event);
    if (typeof words === 'number') return words;
    event.isDone = true;
    this.ctx.events.shift();
    event.queue.wakeAll();
    return messageBytes(event.msg.event, words);
  }

  /** The reader gets a descriptor of what serves the child. Linux: fs/userfaultfd.c:resolve_userfault_fork() */
  private resolveUserfaultFork({ process }: Thread, { forked }: UserfaultEvent): readonly number[] | number {
    const { files } = process;
    const fd = files.getUnusedFdFlags();
    if (fd < 0) return fd;
    files.fdInstall(fd, new UserfaultFd(this.machine, forked!));
    files.setCloseOnExec(fd, (forked!.flags & O_CLOEXEC) !== 0);
    return [fd];
  }

  override *release(): Coroutine<void> {
    yield* userfaultfdRelease(this.ctx);
  }

  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    return yield* userfaultfdIoctl(this.ctx, thread.process.mm, cmd, arg);
  }
}

function messageBytes(event: number, words: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(MESSAGE_BYTES));
  view.setUint8(0, event);
  words.forEach((word, i) => {
    writeU64(view, 8 + 8 * i, word);
  });
  return new Uint8Array(view.buffer);
}

/** A descriptor, or a negative errno. Linux: fs/userfaultfd.c:new_userfaultfd() */
export function* newUserfaultfd({ process }: Thread, flags: number): Coroutine<number> {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY)) return -EINVAL;
  const { files, machine, mm } = process;
  const file = new UserfaultFd(machine, new UserfaultCtx(mm, flags, () => machine.pollers.wakeAll()));
  const fd = files.install(file);
  if (fd < 0) yield* file.put();
  else files.setCloseOnExec(fd, (flags & O_CLOEXEC) !== 0);
  return fd;
}

/** /dev/userfaultfd, for those who may not call userfaultfd(2). */
class UserfaultDevice extends OpenFile {
  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    return cmd === USERFAULTFD_IOC_NEW ? yield* newUserfaultfd(thread, arg) : -EINVAL;
  }
}

export function addUserfaultDevice(machine: Machine): void {
  machine.vfs.addSpecial('/dev/userfaultfd', function* (_thread, flags) {
    return new UserfaultDevice(machine, flags);
  });
}
