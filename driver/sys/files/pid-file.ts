import { EINVAL, EOPNOTSUPP } from '../../../uapi/errno.js';
import { O_NONBLOCK, O_RDWR, O_TRUNC } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import type { Process } from '../processes/process.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, POLL, S_IFREG } from './open-file.js';

/** A process, or one thread of it, as a file. It keeps naming it when its number is free again. Linux: fs/pidfs.c */
export class PidFile extends OpenFile {
  constructor(
    readonly process: Process,
    /** One thread of it; null: all of them. Linux: PIDFD_THREAD */
    readonly thread: Thread | null,
    flags: number,
  ) {
    super(process.machine, O_RDWR | (flags & O_NONBLOCK));
    this.path = `pidfd:[${process.pid}]`;
  }

  /** One of all threads. Linux: part of fs/pidfs.c:pidfs_setattr() */
  override *reopen(_thread: Thread, flags: number): Coroutine<PidFile | number> {
    return flags & O_TRUNC ? -EOPNOTSUPP : new PidFile(this.process, null, flags);
  }

  override get isSeekable(): boolean {
    return false;
  }

  /** Linux: part of fs/pidfs.c:pidfd_poll() */
  override poll(): number {
    if (this.process.state === 'reaped') return POLL.in | POLL.hup;
    return this.process.state === 'zombie' || this.thread?.isDead ? POLL.in : 0;
  }

  override *read(): Coroutine<number> {
    return -EINVAL;
  }

  override *write(): Coroutine<number> {
    return -EINVAL;
  }

  override stat(): FileStat {
    return { mode: S_IFREG | 0o700, size: 0, ino: this.process.pid, rdev: 0 };
  }
}
