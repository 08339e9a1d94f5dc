// The gup_test device as a client sees it.

import { O_RDWR } from '../fcntl.js';
import {
  decodeGupTest,
  encodeGupTest,
  encodePinLongtermTest,
  type GupTest,
  PIN_LONGTERM_TEST_START,
  PIN_LONGTERM_TEST_STOP,
} from '../gup-test.js';
import type { ThreadHandle } from './process-handle.js';
import { must } from './transport.js';

export const GUP_TEST_PATH = '/sys/kernel/debug/gup_test';

/** An open gup_test file, used from one thread. */
export class GupTestFile {
  readonly thread: ThreadHandle;
  readonly fd: number;

  constructor(thread: ThreadHandle, fd: number) {
    this.thread = thread;
    this.fd = fd;
  }

  /** Throws SyscallError. */
  static async open(thread: ThreadHandle): Promise<GupTestFile> {
    return new GupTestFile(thread, must(`open ${GUP_TEST_PATH}`, await thread.open(GUP_TEST_PATH, O_RDWR)));
  }

  close(): Promise<number> {
    return this.thread.close(this.fd);
  }

  /** Get or pin pages and put them again. `size` of the answer is the number of bytes done. */
  async run(cmd: number, gup: Partial<GupTest>): Promise<{ ret: number; gup: GupTest | undefined }> {
    const result = await this.thread.ioctlBytes(this.fd, cmd, encodeGupTest(gup));
    return { ret: result.ret, gup: result.ret === 0 && result.bytes ? decodeGupTest(result.bytes) : undefined };
  }

  /** Pin pages until `pinStop` or the last close of any gup_test file; one such pin exists at a time in the machine. */
  async pinStart(addr: number, size: number, flags: number): Promise<number> {
    const bytes = encodePinLongtermTest({ addr, size, flags });
    return (await this.thread.ioctlBytes(this.fd, PIN_LONGTERM_TEST_START, bytes)).ret;
  }

  pinStop(): Promise<number> {
    return this.thread.ioctl(this.fd, PIN_LONGTERM_TEST_STOP, 0);
  }
}
