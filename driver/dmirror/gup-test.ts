import { EFAULT, EINVAL, ENOMEM } from '../../uapi/errno.js';
import {
  DUMP_USER_PAGES_TEST,
  decodeGupTest,
  encodeGupTest,
  GUP_BASIC_TEST,
  GUP_FAST_BENCHMARK,
  GUP_TEST_BYTES,
  GUP_TEST_FLAG_DUMP_PAGES_USE_PIN,
  type GupTest,
  PIN_BASIC_TEST,
  PIN_FAST_BENCHMARK,
  PIN_LONGTERM_BENCHMARK,
  PIN_LONGTERM_TEST_READ,
  PIN_LONGTERM_TEST_START,
  PIN_LONGTERM_TEST_STOP,
} from '../../uapi/gup-test.js';
import type { Coroutine } from '../core/effect.js';
import { copyFromUser, copyToUser } from '../mm/access.js';
import { folioPut } from '../mm/folio.js';
import { FOLL } from '../mm/foll.js';
import { PAGE_SIZE } from '../mm/frames.js';
import { getUserPages, pinUserPages } from '../mm/gup.js';
import { getUserPagesFast, pinUserPagesFast } from '../mm/gup-fast.js';
import type { Memory } from '../mm/memory.js';
import type { Mm } from '../mm/mm.js';
import { unpinUserPages } from '../mm/pin.js';
import { canAllocateArray, LongtermPin } from './longterm-pin.js';

const PADDING_BYTES = 4;

/** An open gup_test file. It has no state of its own: the one long-term pin is the machine's. */
export interface GupTestFile {
  readonly module: GupTestModule;
}

/** The gup_test device: gets or pins pages of its caller and lets them go again. Linux: mm/gup_test.c */
export class GupTestModule {
  private readonly longtermPin: LongtermPin;

  constructor(private readonly memory: Memory) {
    this.longtermPin = new LongtermPin(memory);
  }

  open(): GupTestFile {
    return { module: this };
  }

  /** The last close of any file ends the long-term pin, whoever began it. Linux: gup_test_release() */
  release(_file: GupTestFile): void {
    this.longtermPin.stop();
  }

  /** 0 or a negative errno; `arg` is an address of `mm`. Linux: mm/gup_test.c:gup_test_ioctl() */
  *ioctl(mm: Mm, cmd: number, arg: number): Coroutine<number> {
    switch (cmd >>> 0) {
      case GUP_FAST_BENCHMARK:
      case PIN_FAST_BENCHMARK:
      case PIN_LONGTERM_BENCHMARK:
      case GUP_BASIC_TEST:
      case PIN_BASIC_TEST:
      case DUMP_USER_PAGES_TEST:
        return yield* this.runTest(mm, cmd >>> 0, arg);
      case PIN_LONGTERM_TEST_START:
      case PIN_LONGTERM_TEST_STOP:
      case PIN_LONGTERM_TEST_READ:
        return yield* this.longtermPin.ioctl(mm, cmd >>> 0, arg);
      default:
        return -EINVAL;
    }
  }

  /** A new life of the machine: pins are forgotten with the pages. */
  reset(): void {
    this.longtermPin.reset();
  }

  private *runTest(mm: Mm, cmd: number, arg: number): Coroutine<number> {
    const record = new Uint8Array(GUP_TEST_BYTES);
    if ((yield* copyFromUser(mm, arg, record)) !== 0) return -EFAULT;
    const gup = decodeGupTest(record);
    const npages = Math.floor(gup.size / PAGE_SIZE);
    if (!canAllocateArray(this.memory, npages)) return -ENOMEM;
    const needsMmapLock = cmd !== GUP_FAST_BENCHMARK && cmd !== PIN_FAST_BENCHMARK;
    if (needsMmapLock) yield* mm.mmapLock.readLock();
    yield* this.getAndPut(mm, cmd, gup);
    if (needsMmapLock) mm.mmapLock.readUnlock();
    record.set(encodeGupTest(gup).subarray(0, GUP_TEST_BYTES - PADDING_BYTES));
    return (yield* copyToUser(mm, arg, record)) === 0 ? 0 : -EFAULT;
  }

  /**
   * Calls GUP for `nr_pages_per_call` pages at a time until one call does not get them all. Its error is not told: only
   * `size` says how far it came, with the whole of a call that got some. Linux: mm/gup_test.c:__gup_test_ioctl()
   */
  private *getAndPut(mm: Mm, cmd: number, gup: GupTest): Coroutine<void> {
    const { clock } = this.memory.kernel.scheduler;
    const begin = clock.nowTicks;
    const pages: number[] = [];
    const end = wrapU64(gup.addr + gup.size);
    let addr = gup.addr;
    let wanted = gup.nr_pages_per_call;
    while (addr < end && wanted === gup.nr_pages_per_call) {
      let next = addr + wanted * PAGE_SIZE;
      if (next > end) {
        next = end;
        wanted = Math.floor((next - addr) / PAGE_SIZE);
      }
      const before = pages.length;
      wanted = yield* getSome(mm, cmd, { gup, addr, npages: wanted, pages });
      // A call that failed may have written pages that it does not hold any more.
      if (wanted <= 0) pages.length = before;
      if (wanted <= 0) break;
      addr = next;
    }
    const npages = pages.length;
    gup.get_delta_usec = clock.nowTicks - begin;
    gup.size = addr - gup.addr;
    if (cmd === DUMP_USER_PAGES_TEST) dumpPages(this.memory, gup, pages);
    if (usesPins(cmd, gup)) unpinUserPages(this.memory, pages, npages);
    else for (const pfn of pages) folioPut(this.memory, pfn);
    gup.put_delta_usec = 0;
  }
}

function wrapU64(value: number): number {
  return value >= 2 ** 64 ? value - 2 ** 64 : value;
}

function usesPins(cmd: number, gup: GupTest): boolean {
  if (cmd === DUMP_USER_PAGES_TEST) return (gup.test_flags & GUP_TEST_FLAG_DUMP_PAGES_USE_PIN) !== 0;
  return cmd !== GUP_FAST_BENCHMARK && cmd !== GUP_BASIC_TEST;
}

/** One call of GUP, whose pages are added to `pages`. */
function* getSome(
  mm: Mm,
  cmd: number,
  { gup, addr, npages, pages }: { gup: GupTest; addr: number; npages: number; pages: number[] },
): Coroutine<number> {
  const flags = gup.gup_flags;
  const at = pages.length;
  switch (cmd) {
    case GUP_FAST_BENCHMARK:
      return yield* getUserPagesFast(mm, addr, npages, flags, pages, at);
    case PIN_FAST_BENCHMARK:
      return yield* pinUserPagesFast(mm, addr, npages, flags, pages, at);
    case PIN_LONGTERM_BENCHMARK:
      return yield* pinUserPages(mm, addr, npages, flags | FOLL.longterm, pages, at);
    default:
      if (usesPins(cmd, gup)) return yield* pinUserPages(mm, addr, npages, flags, pages, at);
      return yield* getUserPages(mm, addr, npages, flags, pages, at);
  }
}

/** `which_pages` counts from 1; what is out of range is told back as 0. Linux: mm/gup_test.c:dump_pages_test() */
function dumpPages({ kernel }: Memory, gup: GupTest, pages: readonly number[]): void {
  for (let i = 0; i < gup.which_pages.length; i++) {
    const which = gup.which_pages[i]!;
    if (which > pages.length) gup.which_pages[i] = 0;
    else if (which > 0) kernel.emit('page', 'gup_test dump', gup.addr, pages[which - 1]!);
  }
}
