import { EACCES, EBADF, EINTR, ENOTTY } from '../../uapi/errno.js';
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../../uapi/fcntl.js';
import type { Coroutine, SleepEffect } from '../core/effect.js';
import { WaitQueue } from '../core/wait-queue.js';
import {
  type FileStat,
  type IoctlRequest,
  OpenFile,
  POLL,
  type ReleaseQueue,
  S_IFCHR,
  S_IFIFO,
} from '../sys/files/open-file.js';
import { waitEventInterruptibleTimeout } from '../sys/processes/interruptible.js';
import type { Thread } from '../sys/processes/thread.js';
import { writeUser } from '../sys/processes/user-memory.js';
import type { GuestHost } from './guest-host.js';

/** Virtual microseconds between two looks whether a slow reader has caught up. */
const FULL_PAUSE: SleepEffect = { kind: 'sleep', ticks: 1000 };
const TCGETS = 0x5401;
const TIOCGWINSZ = 0x5413;
const TERMIOS_BYTES = 36;

/** Waits for a slow reader of what the program's host is told. */
export function* untilRead(host: GuestHost, { task }: Thread): Coroutine<void> {
  while (host.isFull() && !task.killed) yield FULL_PAUSE;
}

/** Standard input, output or error of the program. */
export class HostStream extends OpenFile {
  private readonly input = new WaitQueue('standard input');

  constructor(
    releases: ReleaseQueue,
    private readonly host: GuestHost,
    private readonly fd: 0 | 1 | 2,
  ) {
    super(releases, fd === 0 ? O_RDONLY : O_WRONLY);
    this.path = `/dev/std${['in', 'out', 'err'][fd]}`;
  }

  /** Deviates: as it was opened only, what is behind it being the host's. */
  override *reopen({ process }: Thread, flags: number): Coroutine<HostStream | number> {
    return (flags ^ this.flags) & O_ACCMODE ? -EACCES : new HostStream(process.machine, this.host, this.fd);
  }

  override get isSeekable(): boolean {
    return false;
  }

  override stat(): FileStat {
    const kind = this.host.isTerminal(this.fd) ? S_IFCHR : S_IFIFO;
    return { mode: kind | 0o620, size: 0, ino: 10 + this.fd, rdev: 0x8800 };
  }

  override *read(thread: Thread, lenBytes: number): Coroutine<Uint8Array | number> {
    if (this.fd !== 0) return -EBADF;
    for (;;) {
      const bytes = this.host.read(lenBytes, () => this.input.wakeAll());
      if (bytes !== null) return bytes;
      if ((yield* waitEventInterruptibleTimeout(thread, this.input, null)) === 'signal') return -EINTR;
    }
  }

  override *write(thread: Thread, bytes: Uint8Array): Coroutine<number> {
    if (this.fd === 0) return -EBADF;
    yield* untilRead(this.host, thread);
    this.host.write(this.fd, bytes);
    return bytes.length;
  }

  override poll(): number {
    return this.fd === 0 ? POLL.in : POLL.out;
  }

  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    if (!this.host.isTerminal(this.fd)) return -ENOTTY;
    if (cmd === TCGETS) return yield* writeUser(thread.process.mm, arg, new Uint8Array(TERMIOS_BYTES));
    if (cmd === TIOCGWINSZ) return yield* writeUser(thread.process.mm, arg, new Uint8Array([24, 0, 80, 0, 0, 0, 0, 0]));
    return -ENOTTY;
  }
}
