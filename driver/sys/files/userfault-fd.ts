import { EAGAIN, EBUSY, EEXIST, EFAULT, EINTR, EINVAL, ENOENT, ESRCH } from '../../../uapi/errno.js';
import { O_NONBLOCK, O_RDWR } from '../../../uapi/fcntl.js';
import { _IOR, _IOWR } from '../../../uapi/ioc.js';
import { readU64, writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { mfillAtomicPteCopy } from '../../mm/faults/mfill.js';
import { isMissing, setUserfault, type UserfaultOps } from '../../mm/faults/userfault.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { mmdrop } from '../../mm/vmas/exit-mmap.js';
import { type Mm, mmgrab } from '../../mm/vmas/mm.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { Machine } from '../machine/machine.js';
import { waitEventInterruptibleTimeout } from '../processes/interruptible.js';
import type { Thread } from '../processes/thread.js';
import { readUserView, words32, words64, writeUser } from '../processes/user-memory.js';
import { type IoctlRequest, OpenFile, POLL } from './open-file.js';

const UFFD_API = 0xaa;
const UFFDIO_API = _IOWR(UFFD_API, 0x3f, 24);
const UFFDIO_REGISTER = _IOWR(UFFD_API, 0, 32);
const UFFDIO_UNREGISTER = _IOR(UFFD_API, 1, 16);
const UFFDIO_WAKE = _IOR(UFFD_API, 2, 16);
const UFFDIO_COPY = _IOWR(UFFD_API, 3, 40);
const UFFDIO_ZEROPAGE = _IOWR(UFFD_API, 4, 32);
const FEATURE_MISSING_SHMEM = 1 << 5;
const FEATURE_THREAD_ID = 1 << 8;
const FEATURES = FEATURE_MISSING_SHMEM | FEATURE_THREAD_ID;
const REGISTER_MODE_MISSING = 1;
const MODE_DONTWAKE = 1;
const EVENT_PAGEFAULT = 0x12;
const PAGEFAULT_FLAG_WRITE = 1;
const MESSAGE_BYTES = 32;

/** A thread that waits for a page. */
interface Waiter {
  readonly addr: number;
  readonly write: boolean;
  readonly tid: number;
  isRead: boolean;
  readonly queue: WaitQueue;
}

/** Tells of faults on missing pages, and fills them in. Linux: fs/userfaultfd.c. Deviates: one for an address space. */
export class UserfaultFd extends OpenFile implements UserfaultOps {
  private features: number | null = null;
  private readonly waiters: Waiter[] = [];
  private readonly arrived = new WaitQueue('userfaultfd');

  constructor(
    private readonly machine: Machine,
    private readonly mm: Mm,
    flags: number,
  ) {
    super(machine, O_RDWR | (flags & O_NONBLOCK));
    mmgrab(mm);
  }

  override get isSeekable(): boolean {
    return false;
  }

  override poll(): number {
    return this.waiters.some(({ isRead }) => !isRead) ? POLL.in : 0;
  }

  *handleUserfault(addr: number, write: boolean): Coroutine<void> {
    const { kernel } = this.machine;
    const task = kernel.current;
    if (task.killed) return;
    const tid = [...this.machine.allThreads()].find((thread) => thread.task === task)?.tid ?? 0;
    const queue = new WaitQueue(`userfault at 0x${addr.toString(16)}`);
    const waiter: Waiter = { addr, write, tid, isRead: false, queue };
    this.waiters.push(waiter);
    this.arrived.wakeAll();
    this.machine.pollers.wakeAll();
    yield queue;
    const at = this.waiters.indexOf(waiter);
    if (at >= 0) this.waiters.splice(at, 1);
  }

  /** Linux: part of fs/userfaultfd.c:userfaultfd_read_iter() */
  override *read(thread: Thread, lenBytes: number): Coroutine<Uint8Array | number> {
    if (this.features === null || lenBytes < MESSAGE_BYTES) return -EINVAL;
    for (;;) {
      const waiter = this.waiters.find(({ isRead }) => !isRead);
      if (waiter !== undefined) {
        waiter.isRead = true;
        return this.message(waiter);
      }
      if (this.flags & O_NONBLOCK) return -EAGAIN;
      if ((yield* waitEventInterruptibleTimeout(thread, this.arrived, null)) === 'signal') return -EINTR;
    }
  }

  private message({ addr, write, tid }: Waiter): Uint8Array {
    const bytes = new Uint8Array(MESSAGE_BYTES);
    const view = new DataView(bytes.buffer);
    bytes[0] = EVENT_PAGEFAULT;
    writeU64(view, 8, write ? PAGEFAULT_FLAG_WRITE : 0);
    writeU64(view, 16, addr - (addr % PAGE_SIZE));
    if (this.features! & FEATURE_THREAD_ID) view.setUint32(24, tid, true);
    return bytes;
  }

  override *release(): Coroutine<void> {
    const { mm } = this;
    if (mm.userfault === this) {
      mm.userfault = null;
      yield* mm.mmapLock.writeLock();
      for (const { start, end, flags } of [...mm.vmas]) {
        if (flags & VM.uffdMissing) yield* setUserfault(mm, { start, end }, false);
      }
      mm.mmapLock.writeUnlock();
    }
    this.wake(0, Number.POSITIVE_INFINITY);
    mmdrop(mm);
  }

  override *ioctl(thread: Thread, { cmd, arg }: IoctlRequest): Coroutine<number> {
    const callerMm = thread.process.mm;
    if (cmd === UFFDIO_API) return yield* this.userfaultfdApi(callerMm, arg);
    if (this.features === null) return -EINVAL;
    const record = yield* readUserView(callerMm, arg, 32);
    if (typeof record === 'number') return record;
    const range = { start: readU64(record, 0), end: readU64(record, 0) + readU64(record, 8) };
    if (cmd === UFFDIO_COPY) return yield* this.copy(callerMm, arg, record);
    if (!isRange(range)) return -EINVAL;
    switch (cmd) {
      case UFFDIO_REGISTER:
        return yield* this.register(callerMm, arg, { ...range, mode: readU64(record, 16) });
      case UFFDIO_UNREGISTER:
        return yield* this.unregister(range);
      case UFFDIO_WAKE:
        this.wake(range.start, range.end);
        return 0;
      case UFFDIO_ZEROPAGE:
        return yield* this.fill(callerMm, { ...range, result: arg + 24, mode: readU64(record, 16), source: null });
      default:
        return -EINVAL;
    }
  }

  /** Linux: fs/userfaultfd.c:userfaultfd_api() */
  private *userfaultfdApi(callerMm: Mm, arg: number): Coroutine<number> {
    const record = yield* readUserView(callerMm, arg, 24);
    if (typeof record === 'number') return record;
    const features = readU64(record, 8);
    const isKnown = readU64(record, 0) === UFFD_API && features < 2 ** 32 && (features & ~FEATURES) === 0;
    // Numbers 0 (register), 1 (unregister) and 0x3f (api).
    const out = isKnown ? words32(UFFD_API, 0, FEATURES, 0, 0x3, 0x80000000) : new Uint8Array(24);
    if ((yield* writeUser(callerMm, arg, out)) !== 0) return -EFAULT;
    if (!isKnown || this.features !== null) return -EINVAL;
    this.features = features;
    return 0;
  }

  private *register(
    callerMm: Mm,
    arg: number,
    { start, end, mode }: { start: number; end: number; mode: number },
  ): Coroutine<number> {
    const { mm } = this;
    if (mode !== REGISTER_MODE_MISSING) return -EINVAL;
    if (mm.userfault !== null && mm.userfault !== this) return -EBUSY;
    yield* mm.mmapLock.writeLock();
    const error = yield* setUserfault(mm, { start, end }, true);
    mm.mmapLock.writeUnlock();
    if (error !== 0) return error;
    mm.userfault = this;
    const WAKE_COPY_ZEROPAGE = 0x1c;
    return yield* writeUser(callerMm, arg + 24, words64(WAKE_COPY_ZEROPAGE));
  }

  private *unregister({ start, end }: { start: number; end: number }): Coroutine<number> {
    const { mm } = this;
    yield* mm.mmapLock.writeLock();
    const error = yield* setUserfault(mm, { start, end }, false);
    mm.mmapLock.writeUnlock();
    if (error === 0) this.wake(start, end);
    return error;
  }

  private *copy(callerMm: Mm, arg: number, record: DataView): Coroutine<number> {
    const [start, source, len] = [readU64(record, 0), readU64(record, 8), readU64(record, 16)];
    const range = { start, end: start + len };
    if (!isRange(range) || source + len > Number.MAX_SAFE_INTEGER) return -EINVAL;
    return yield* this.fill(callerMm, { ...range, source, result: arg + 32, mode: readU64(record, 24) });
  }

  /** The number of bytes done is written to the record. Linux: part of mm/userfaultfd.c:mfill_atomic() */
  private *fill(
    callerMm: Mm,
    {
      start,
      end,
      source,
      result,
      mode,
    }: { start: number; end: number; source: number | null; result: number; mode: number },
  ): Coroutine<number> {
    if (mode > MODE_DONTWAKE) return -EINVAL;
    let error = 0;
    let done = 0;
    for (; start + done < end && error === 0; done += error === 0 ? PAGE_SIZE : 0) {
      const page =
        source === null
          ? new DataView(new ArrayBuffer(PAGE_SIZE))
          : yield* readUserView(callerMm, source + done, PAGE_SIZE);
      error = typeof page === 'number' ? page : yield* this.install(start + done, new Uint8Array(page.buffer));
    }
    if (done > 0 && !(mode & MODE_DONTWAKE)) this.wake(start, start + done);
    if ((yield* writeUser(callerMm, result, words64(done > 0 ? done : error))) !== 0) return -EFAULT;
    if (done > 0 && error !== 0) return -EAGAIN;
    return error;
  }

  /** One page, which must be missing. */
  private *install(addr: number, bytes: Uint8Array): Coroutine<number> {
    const { mm } = this;
    if (mm.users === 0) return -ESRCH;
    yield* mm.mmapLock.readLock();
    const vma = mm.vmaLookup(addr);
    let error = 0;
    if (vma === null || !(vma.flags & VM.uffdMissing)) error = -ENOENT;
    else if (!isMissing(vma, addr)) error = -EEXIST;
    else error = yield* mfillAtomicPteCopy(vma, addr, bytes);
    mm.mmapLock.readUnlock();
    return error;
  }

  private wake(start: number, end: number): void {
    for (const { addr, queue } of this.waiters) if (addr >= start && addr < end) queue.wakeAll();
  }
}

function isRange({ start, end }: { start: number; end: number }): boolean {
  return start % PAGE_SIZE === 0 && end % PAGE_SIZE === 0 && end > start && end <= Number.MAX_SAFE_INTEGER;
}
