import { EFAULT, EINVAL, ENOMEM } from '../../uapi/errno.js';
import { GUP_ABI, type GupAbi, type GupCommand, gupFlagsOf } from '../../uapi/gup-abi.js';
import { decodeGupTest, encodeGupTest, GUP_TEST_FLAG_DUMP_PAGES_USE_PIN, type GupTest } from '../../uapi/gup-test.js';
import type { Coroutine } from '../core/effect.js';
import { copyFromUser, copyToUser } from '../mm/faults/access.js';
import { FOLL } from '../mm/faults/foll.js';
import { getUserPages, pinUserPages } from '../mm/faults/gup.js';
import { getUserPagesFast, pinUserPagesFast } from '../mm/faults/gup-fast.js';
import { folioPut } from '../mm/frames/folio.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { unpinUserPages } from '../mm/frames/pin.js';
import type { Memory } from '../mm/memory.js';
import type { Mm } from '../mm/vmas/mm.js';
import { canAllocateArray, LongtermPin } from './longterm-pin.js';

/** An open gup_test file. It has no state of its own: the one long-term pin is the machine's. */
export interface GupTestOpen {
  readonly module: GupTestModule;
}

/** The gup_test device: gets or pins pages of its caller and lets them go again. Linux: mm/gup_test.c */
export class GupTestModule {
  private readonly longtermPin: LongtermPin;

  constructor(private readonly memory: Memory) {
    this.longtermPin = new LongtermPin(memory);
  }

  open(): GupTestOpen {
    return { module: this };
  }

  /** The last close of any file ends the long-term pin, whoever began it. Linux: mm/gup_test.c:gup_test_release() */
  gupTestRelease(_file: GupTestOpen): void {
    this.longtermPin.pinLongtermTestStop();
  }

  /**
   * 0 or a negative errno; `arg` is an address of `mm`, and `abi` what the caller was built against.
   * Linux: mm/gup_test.c:gup_test_ioctl()
   */
  *gupTestIoctl(mm: Mm, cmd: number, arg: number, abi = GUP_ABI): Coroutine<number> {
    const command = abi.commands.get(cmd >>> 0);
    switch (command) {
      case undefined:
        return -EINVAL;
      case 'PIN_LONGTERM_TEST_START':
      case 'PIN_LONGTERM_TEST_STOP':
      case 'PIN_LONGTERM_TEST_READ':
        return yield* this.longtermPin.pinLongtermTestIoctl(mm, command, arg);
      default:
        return yield* this.runTest(mm, { abi, command }, arg);
    }
  }

  /** A new life of the machine: pins are forgotten with the pages. */
  reset(): void {
    this.longtermPin.reset();
  }

  private *runTest(mm: Mm, { abi, command }: { abi: GupAbi; command: GupCommand }, arg: number): Coroutine<number> {
    const { layout } = abi;
    const record = new Uint8Array(layout.bytes);
    if ((yield* copyFromUser(mm, arg, record)) !== 0) return -EFAULT;
    const gup = decodeGupTest(record, layout);
    const npages = Math.floor(gup.size / PAGE_SIZE);
    if (!canAllocateArray(this.memory, npages)) return -ENOMEM;
    const needsMmapLock = command !== 'GUP_FAST_BENCHMARK' && command !== 'PIN_FAST_BENCHMARK';
    // The first ones masked the caller's own field, in the loop.
    if (gup.size > 0) gup.gup_flags = (gup.gup_flags & abi.flagMask) >>> 0;
    if (needsMmapLock) yield* mm.mmapLock.readLock();
    yield* this.gupTestIoctlCall(mm, { abi, command }, gup);
    if (needsMmapLock) mm.mmapLock.readUnlock();
    // What is behind the last field stays as it was.
    const end = Math.min(layout.bytes, (layout.whichPages ?? layout.gupFlags) + (layout.whichPages === null ? 4 : 32));
    record.set(encodeGupTest(gup, layout).subarray(0, end));
    return (yield* copyToUser(mm, arg, record)) === 0 ? 0 : -EFAULT;
  }

  /**
   * Calls GUP for `nr_pages_per_call` pages at a time until one call does not get them all. Its error is not told: only
   * `size` says how far it came, with the whole of a call that got some. Linux: mm/gup_test.c:__gup_test_ioctl()
   */
  private *gupTestIoctlCall(
    mm: Mm,
    { abi, command }: { abi: GupAbi; command: GupCommand },
    gup: GupTest,
  ): Coroutine<void> {
    const { clock } = this.memory.kernel.scheduler;
    const begin = clock.nowTicks;
    const pages: number[] = [];
    const end = wrapU64(gup.addr + gup.size);
    const flags = gupFlagsOf(abi, gup.gup_flags);
    const isPin = usesPins(command, abi, gup);
    let addr = gup.addr;
    let wanted = gup.nr_pages_per_call;
    while (addr < end && wanted === gup.nr_pages_per_call) {
      let next = addr + wanted * PAGE_SIZE;
      if (next > end) {
        next = end;
        wanted = Math.floor((next - addr) / PAGE_SIZE);
      }
      const before = pages.length;
      wanted = yield* getSome(mm, command, { flags, isPin, addr, npages: wanted, pages });
      // A call that failed may have written pages that it does not hold any more.
      if (wanted <= 0) pages.length = before;
      if (wanted <= 0) break;
      addr = next;
    }
    const npages = pages.length;
    gup.get_delta_usec = clock.nowTicks - begin;
    gup.size = addr - gup.addr;
    if (command === 'DUMP_USER_PAGES_TEST') dumpPagesTest(this.memory, gup, pages);
    if (isPin) unpinUserPages(this.memory, pages, npages);
    else for (const pfn of pages) folioPut(this.memory, pfn);
    gup.put_delta_usec = 0;
  }
}

function wrapU64(value: number): number {
  return value >= 2 ** 64 ? value - 2 ** 64 : value;
}

/** A dump pins when test_flags say so; before there were such, gup_flags did. */
function usesPins(command: GupCommand, { layout }: GupAbi, gup: GupTest): boolean {
  if (command !== 'DUMP_USER_PAGES_TEST') return command !== 'GUP_FAST_BENCHMARK' && command !== 'GUP_BASIC_TEST';
  const flags = layout.testFlags === null ? gup.gup_flags : gup.test_flags;
  return (flags & GUP_TEST_FLAG_DUMP_PAGES_USE_PIN) !== 0;
}

interface GupCall {
  /** In 6.12's bits. */
  readonly flags: number;
  readonly isPin: boolean;
  readonly addr: number;
  readonly npages: number;
  readonly pages: number[];
}

/** One call of GUP, whose pages are added to `pages`. */
function* getSome(mm: Mm, command: GupCommand, { flags, isPin, addr, npages, pages }: GupCall): Coroutine<number> {
  const at = pages.length;
  switch (command) {
    case 'GUP_FAST_BENCHMARK':
      return yield* getUserPagesFast(mm, addr, npages, flags, pages, at);
    case 'PIN_FAST_BENCHMARK':
      return yield* pinUserPagesFast(mm, addr, npages, flags, pages, at);
    case 'PIN_LONGTERM_BENCHMARK':
      return yield* pinUserPages(mm, addr, npages, flags | FOLL.longterm, pages, at);
    default:
      if (isPin) return yield* pinUserPages(mm, addr, npages, flags, pages, at);
      return yield* getUserPages(mm, addr, npages, flags, pages, at);
  }
}

/** `which_pages` counts from 1; what is out of range is told back as 0. Linux: mm/gup_test.c:dump_pages_test() */
function dumpPagesTest({ kernel }: Memory, gup: GupTest, pages: readonly number[]): void {
  for (let i = 0; i < gup.which_pages.length; i++) {
    const which = gup.which_pages[i]!;
    if (which > pages.length) gup.which_pages[i] = 0;
    else if (which > 0) kernel.emit('page', { what: 'gup_test dump', addr: gup.addr, pfn: pages[which - 1]! });
  }
}
