import { EFAULT, EINVAL, ENOMEM } from '../../uapi/errno.js';
import type { GupCommand } from '../../uapi/gup-abi.js';
import {
  decodePinLongtermTest,
  PIN_LONGTERM_TEST_BYTES,
  PIN_LONGTERM_TEST_FLAG_USE_FAST,
  PIN_LONGTERM_TEST_FLAG_USE_WRITE,
} from '../../uapi/gup-test.js';
import { readU64 } from '../../uapi/u64.js';
import type { Coroutine } from '../core/effect.js';
import { LockClass } from '../core/lock-class.js';
import { Mutex } from '../core/locks.js';
import { copyFromUser, copyToUser } from '../mm/faults/access.js';
import { FOLL } from '../mm/faults/foll.js';
import { pinUserPages } from '../mm/faults/gup.js';
import { pinUserPagesFast } from '../mm/faults/gup-fast.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { unpinUserPages } from '../mm/frames/pin.js';
import type { Memory } from '../mm/memory.js';
import type { Mm } from '../mm/vmas/mm.js';

const KNOWN_FLAGS = PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST;

/** kvcalloc() refuses more. */
const MAX_ARRAY_BYTES = 2 ** 31 - 1;

/** Whether the kernel would have memory for one pointer a page. */
export function canAllocateArray(memory: Memory, npages: number): boolean {
  return npages * 8 <= Math.min(MAX_ARRAY_BYTES, memory.frames.systemFrames * PAGE_SIZE);
}

/** A checked PIN_LONGTERM_TEST_START. */
interface PinRequest {
  readonly addr: number;
  readonly npages: number;
  readonly flags: number;
}

/** The long-term pin of gup_test, one for the whole machine: it stays between calls. Linux: mm/gup_test.c */
export class LongtermPin {
  /** Protected by `mutex`, but for the close of a file. Null = no pin; the array may be longer than the pin so far. */
  private pages: number[] | null = null;
  private npages = 0;
  private readonly mutex: Mutex;

  constructor(private readonly memory: Memory) {
    this.mutex = new Mutex(memory.kernel, LockClass.gupTestMutex, 'gup_test_mutex');
  }

  /** Linux: mm/gup_test.c:pin_longterm_test_ioctl() */
  *pinLongtermTestIoctl(mm: Mm, command: GupCommand, arg: number): Coroutine<number> {
    yield* this.mutex.lock();
    let ret = 0;
    if (command === 'PIN_LONGTERM_TEST_START') ret = yield* this.pinLongtermTestStart(mm, arg);
    else if (command === 'PIN_LONGTERM_TEST_STOP') this.pinLongtermTestStop();
    else ret = yield* this.pinLongtermTestRead(mm, arg);
    this.mutex.unlock();
    return ret;
  }

  /** Linux: mm/gup_test.c:pin_longterm_test_stop() */
  pinLongtermTestStop(): void {
    if (this.pages === null) return;
    unpinUserPages(this.memory, this.pages, this.npages);
    this.pages = null;
    this.npages = 0;
  }

  /** A new life of the machine, whose pages have no pins. */
  reset(): void {
    this.pages = null;
    this.npages = 0;
    this.mutex.reset();
  }

  /** Linux: mm/gup_test.c:pin_longterm_test_start() */
  private *pinLongtermTestStart(mm: Mm, arg: number): Coroutine<number> {
    if (this.pages !== null) return -EINVAL;
    const record = new Uint8Array(PIN_LONGTERM_TEST_BYTES);
    if ((yield* copyFromUser(mm, arg, record)) !== 0) return -EFAULT;
    const args = decodePinLongtermTest(record);
    if (args.flags & ~KNOWN_FLAGS) return -EINVAL;
    if (args.addr % PAGE_SIZE !== 0 || args.size % PAGE_SIZE !== 0) return -EINVAL;
    if (args.size === 0 || args.size >= 2 ** 63) return -EINVAL;
    const npages = args.size / PAGE_SIZE;
    if (!canAllocateArray(this.memory, npages)) return -ENOMEM;
    return yield* this.pinAll(mm, { addr: args.addr, npages, flags: args.flags });
  }

  /** All pages or none: an error undoes what was pinned. */
  private *pinAll(mm: Mm, { addr, npages, flags }: PinRequest): Coroutine<number> {
    const isFast = (flags & PIN_LONGTERM_TEST_FLAG_USE_FAST) !== 0;
    const foll = FOLL.longterm | (flags & PIN_LONGTERM_TEST_FLAG_USE_WRITE ? FOLL.write : 0);
    const pin = isFast ? pinUserPagesFast : pinUserPages;
    if (!isFast) yield* mm.mmapLock.readLock();
    const pages: number[] = [];
    this.pages = pages;
    this.npages = 0;
    let ret = 0;
    while (this.npages < npages) {
      const done = this.npages;
      const got = yield* pin(mm, addr + done * PAGE_SIZE, npages - done, foll, pages, done);
      if (got < 0) {
        this.pinLongtermTestStop();
        ret = got;
        break;
      }
      this.npages = done + got;
    }
    if (!isFast) mm.mmapLock.readUnlock();
    return ret;
  }

  /** Copies the pinned pages to the address that `arg` points to. Linux: mm/gup_test.c:pin_longterm_test_read() */
  private *pinLongtermTestRead(mm: Mm, arg: number): Coroutine<number> {
    if (this.pages === null) return -EINVAL;
    const record = new Uint8Array(8);
    if ((yield* copyFromUser(mm, arg, record)) !== 0) return -EFAULT;
    const addr = readU64(new DataView(record.buffer), 0);
    for (let i = 0; i < this.npages; i++) {
      const from = this.pages[i]! * PAGE_SIZE;
      const bytes = this.memory.bytes.subarray(from, from + PAGE_SIZE);
      if ((yield* copyToUser(mm, addr + i * PAGE_SIZE, bytes)) !== 0) return -EFAULT;
    }
    return 0;
  }
}
