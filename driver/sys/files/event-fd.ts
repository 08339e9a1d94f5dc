import { EAGAIN, EINTR, EINVAL } from '../../../uapi/errno.js';
import { O_NONBLOCK, O_RDWR } from '../../../uapi/fcntl.js';
import { readU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Machine } from '../machine/machine.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import type { Thread } from '../processes/thread.js';
import { words64 } from '../processes/user-memory.js';
import { ANON_INODE, type FileStat, OpenFile, POLL } from './open-file.js';

export const EFD_SEMAPHORE = 1;
/** Deviates: Linux counts to 2^64 - 2; a number is exact up to here. */
const MAX_COUNT = 2 ** 53 - 1;

/** A counter to wait for. Linux: fs/eventfd.c */
export class EventFd extends OpenFile {
  private readonly changed = new WaitQueue('eventfd');

  constructor(
    private readonly machine: Machine,
    private count: number,
    private readonly efdFlags: number,
  ) {
    super(machine, O_RDWR | (efdFlags & O_NONBLOCK));
    this.path = 'anon_inode:[eventfd]';
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

  override poll(): number {
    return (this.count > 0 ? POLL.in : 0) | (this.count < MAX_COUNT ? POLL.out : 0);
  }

  override *read(thread: Thread, lenBytes: number): Coroutine<Uint8Array | number> {
    if (lenBytes < 8) return -EINVAL;
    while (this.count === 0) {
      if (this.flags & O_NONBLOCK) return -EAGAIN;
      if ((yield* waitEventInterruptibleTimeout(thread, this.changed, null)) === 'signal' && this.count === 0)
        return -EINTR;
    }
    const value = this.efdFlags & EFD_SEMAPHORE ? 1 : this.count;
    this.count -= value;
    this.wake();
    return words64(value);
  }

  override *write(thread: Thread, bytes: Uint8Array): Coroutine<number> {
    if (bytes.length < 8) return -EINVAL;
    const value = readU64(new DataView(bytes.buffer, bytes.byteOffset, 8), 0);
    if (value > MAX_COUNT) return -EINVAL;
    while (this.count + value > MAX_COUNT) {
      if (this.flags & O_NONBLOCK) return -EAGAIN;
      if ((yield* waitEventInterruptibleTimeout(thread, this.changed, null)) === 'signal') return -EINTR;
    }
    this.count += value;
    this.wake();
    return 8;
  }

  private wake(): void {
    this.changed.wakeAll();
    this.machine.pollers.wakeAll();
  }
}
