import { EAGAIN, EFAULT, EINVAL, ESRCH } from '../../../uapi/errno.js';
import { readU64 } from '../../../uapi/u64.js';
import { UFFD_API, UFFD_FEATURE, UFFDIO, UFFDIO_REGISTER_MODE } from '../../../uapi/userfaultfd.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { TASK_SIZE } from '../../mm/tables/page-table.js';
import type { UserfaultCtx } from '../../mm/userfault/ctx.js';
import { type Mfill, mfillAtomic } from '../../mm/userfault/mfill.js';
import { movePages } from '../../mm/userfault/move-pages.js';
import { registerRange, unregisterRange } from '../../mm/userfault/register.js';
import { mwriteprotectRange } from '../../mm/userfault/wp.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { type Mm, mmgetNotZero } from '../../mm/vmas/mm.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import { readUserView, words32, words64, writeUser } from '../processes/user-memory.js';

const ALL_FEATURES = Object.values(UFFD_FEATURE).reduce((sum, bit) => sum | bit, 0);
/** Numbers of the ioctls as bits: those of a range, and those of one with hugetlb memory. */
const RANGE_IOCTLS = 0x1fc;
const RANGE_IOCTLS_BASIC = 0x1cc;
const WRITEPROTECT_BIT = 1 << 6;
const CONTINUE_BIT = 1 << 7;
const DONTWAKE = 1;
/** The second mode bit of COPY and CONTINUE; WRITEPROTECT has the two the other way round. */
const FILL_WP = 2;
const WRITEPROTECT_WP = 1;
const WRITEPROTECT_DONTWAKE = 2;
const MOVE_ALLOW_SRC_HOLES = 2;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** One ioctl of a userfaultfd. Linux: fs/userfaultfd.c:userfaultfd_ioctl() */
export function* userfaultfdIoctl(ctx: UserfaultCtx, caller: Mm, cmd: number, arg: number): Coroutine<number> {
  if (cmd === UFFDIO.API) return yield* userfaultfdApi(ctx, caller, arg);
  if (ctx.features === null) return -EINVAL;
  switch (cmd) {
    case UFFDIO.REGISTER:
      return yield* userfaultfdRegister(ctx, caller, arg);
    case UFFDIO.UNREGISTER:
    case UFFDIO.WAKE:
      return yield* onRange(ctx, caller, { cmd, arg });
    case UFFDIO.COPY:
      return yield* userfaultfdCopy(ctx, caller, arg);
    case UFFDIO.ZEROPAGE:
      return yield* userfaultfdFill(ctx, caller, { arg, mode: 'zeropage', modes: DONTWAKE });
    case UFFDIO.CONTINUE:
      return yield* userfaultfdFill(ctx, caller, { arg, mode: 'continue', modes: DONTWAKE | FILL_WP });
    case UFFDIO.POISON:
      return yield* userfaultfdFill(ctx, caller, { arg, mode: 'poison', modes: DONTWAKE });
    case UFFDIO.MOVE:
      return yield* userfaultfdMove(ctx, caller, arg);
    case UFFDIO.WRITEPROTECT:
      return yield* userfaultfdWriteprotect(ctx, caller, arg);
    default:
      return -EINVAL;
  }
}

/** Linux: fs/userfaultfd.c:userfaultfd_api() */
function* userfaultfdApi(ctx: UserfaultCtx, caller: Mm, arg: number): Coroutine<number> {
  const record = yield* readUserView(caller, arg, 24);
  if (typeof record === 'number') return record;
  const asked = readU64(record, 8);
  const isKnown = readU64(record, 0) === UFFD_API && asked < 2 ** 32 && (asked & ~ALL_FEATURES) === 0;
  // Numbers 0 (register), 1 (unregister) and 0x3f (api).
  const answer = words32(UFFD_API, 0, ALL_FEATURES, 0, 0x3, 0x80000000);
  if ((yield* writeUser(caller, arg, isKnown ? answer : new Uint8Array(24))) !== 0) return -EFAULT;
  if (!isKnown) return -EINVAL;
  if (ctx.features !== null) return (yield* writeUser(caller, arg, new Uint8Array(24))) || -EINVAL;
  ctx.features = asked & UFFD_FEATURE.wpAsync ? asked | UFFD_FEATURE.wpUnpopulated : asked;
  return 0;
}

/** Linux: fs/userfaultfd.c:validate_unaligned_range() */
function validateUnalignedRange({ start, end }: Range): boolean {
  return end > start && (end - start) % PAGE_SIZE === 0 && end <= TASK_SIZE;
}

/** Linux: fs/userfaultfd.c:validate_range() */
function validateRange(range: Range): boolean {
  return range.start % PAGE_SIZE === 0 && validateUnalignedRange(range);
}

function rangeAt(record: DataView, offset = 0): Range {
  const start = readU64(record, offset);
  return { start, end: start + readU64(record, offset + 8) };
}

/** Linux: fs/userfaultfd.c:userfaultfd_register() */
function* userfaultfdRegister(ctx: UserfaultCtx, caller: Mm, arg: number): Coroutine<number> {
  const record = yield* readUserView(caller, arg, 24);
  if (typeof record === 'number') return record;
  const mode = readU64(record, 16);
  const { missing, wp, minor } = UFFDIO_REGISTER_MODE;
  if (mode === 0 || mode > (missing | wp | minor)) return -EINVAL;
  const range = rangeAt(record);
  if (!validateRange(range)) return -EINVAL;
  const flags = (mode & missing ? VM.uffdMissing : 0) | (mode & wp ? VM.uffdWp : 0) | (mode & minor ? VM.uffdMinor : 0);
  const { error, isHugetlb } = yield* registerRange(ctx, range, flags);
  if (error !== 0) return error;
  let ioctls = isHugetlb ? RANGE_IOCTLS_BASIC : RANGE_IOCTLS;
  if (!(mode & wp)) ioctls &= ~WRITEPROTECT_BIT;
  if (!(mode & minor)) ioctls &= ~CONTINUE_BIT;
  return yield* writeUser(caller, arg + 24, words64(ioctls));
}

function* onRange(ctx: UserfaultCtx, caller: Mm, { cmd, arg }: { cmd: number; arg: number }): Coroutine<number> {
  const record = yield* readUserView(caller, arg, 16);
  if (typeof record === 'number') return record;
  const range = rangeAt(record);
  if (!validateRange(range)) return -EINVAL;
  if (cmd === UFFDIO.UNREGISTER) return yield* unregisterRange(ctx, range);
  ctx.wakeUserfault(range.start, range.end);
  return 0;
}

/** What is asked for; behind it stands the result, which is -EAGAIN while mappings change. */
function* readRequest(
  ctx: UserfaultCtx,
  caller: Mm,
  { arg, bytes }: { arg: number; bytes: number },
): Coroutine<DataView | number> {
  if (ctx.mmapChanging > 0) return yield* writeResult(caller, arg + bytes, -EAGAIN);
  return yield* readUserView(caller, arg, bytes);
}

function fourWords(record: DataView): [number, number, number, number] {
  return [readU64(record, 0), readU64(record, 8), readU64(record, 16), readU64(record, 24)];
}

/** Linux: fs/userfaultfd.c:userfaultfd_copy() */
function* userfaultfdCopy(ctx: UserfaultCtx, caller: Mm, arg: number): Coroutine<number> {
  const record = yield* readRequest(ctx, caller, { arg, bytes: 32 });
  if (typeof record === 'number') return record;
  const [start, source, len, mode] = fourWords(record);
  const range = { start, end: start + len };
  if (!validateUnalignedRange({ start: source, end: source + len }) || !validateRange(range)) return -EINVAL;
  if (mode > (DONTWAKE | FILL_WP)) return -EINVAL;
  const fill = { ...range, mode: 'copy', from: caller, source, wp: (mode & FILL_WP) !== 0 } as const;
  return yield* fillAndWake(ctx, fill, { caller, result: arg + 32, wakes: !(mode & DONTWAKE) });
}

/** Linux: part of fs/userfaultfd.c:userfaultfd_zeropage(), userfaultfd_continue(), userfaultfd_poison() */
function* userfaultfdFill(
  ctx: UserfaultCtx,
  caller: Mm,
  { arg, mode, modes }: { arg: number; mode: Mfill['mode']; modes: number },
): Coroutine<number> {
  const record = yield* readRequest(ctx, caller, { arg, bytes: 24 });
  if (typeof record === 'number') return record;
  const range = rangeAt(record);
  const bits = readU64(record, 16);
  if (!validateRange(range) || bits > modes || bits & ~modes) return -EINVAL;
  const fill = { ...range, mode, from: caller, source: 0, wp: (bits & FILL_WP) !== 0 };
  return yield* fillAndWake(ctx, fill, { caller, result: arg + 24, wakes: !(bits & DONTWAKE) });
}

interface Answer {
  readonly caller: Mm;
  /** Where the bytes that were done go, or the errno. */
  readonly result: number;
  readonly wakes: boolean;
}

function* fillAndWake(ctx: UserfaultCtx, fill: Mfill, answer: Answer): Coroutine<number> {
  if (!mmgetNotZero(ctx.mm)) return -ESRCH;
  const done = yield* mfillAtomic(ctx, fill);
  yield* mmput(ctx.mm);
  return yield* answerAndWake(ctx, { start: fill.start, len: fill.end - fill.start, done }, answer);
}

function* answerAndWake(
  ctx: UserfaultCtx,
  { start, len, done }: { start: number; len: number; done: number },
  { caller, result, wakes }: Answer,
): Coroutine<number> {
  const error = yield* writeResult(caller, result, done);
  if (error === -EFAULT || done < 0) return error;
  if (wakes) ctx.wakeUserfault(start, start + done);
  return done === len ? 0 : -EAGAIN;
}

/** -EFAULT, or the error that was written. */
function* writeResult(caller: Mm, addr: number, value: number): Coroutine<number> {
  return (yield* writeUser(caller, addr, words64(value))) !== 0 ? -EFAULT : value;
}

/** Linux: fs/userfaultfd.c:userfaultfd_move() */
function* userfaultfdMove(ctx: UserfaultCtx, caller: Mm, arg: number): Coroutine<number> {
  const record = yield* readRequest(ctx, caller, { arg, bytes: 32 });
  if (typeof record === 'number') return record;
  const [dst, src, len, mode] = fourWords(record);
  if (
    ctx.mm !== caller ||
    !validateRange({ start: dst, end: dst + len }) ||
    !validateRange({ start: src, end: src + len })
  )
    return -EINVAL;
  if (mode > (DONTWAKE | MOVE_ALLOW_SRC_HOLES)) return -EINVAL;
  if (!mmgetNotZero(ctx.mm)) return -ESRCH;
  const done = yield* movePages(ctx, { dst, src, len, allowsHoles: (mode & MOVE_ALLOW_SRC_HOLES) !== 0 });
  yield* mmput(ctx.mm);
  return yield* answerAndWake(ctx, { start: dst, len, done }, { caller, result: arg + 32, wakes: !(mode & DONTWAKE) });
}

/** Linux: fs/userfaultfd.c:userfaultfd_writeprotect() */
function* userfaultfdWriteprotect(ctx: UserfaultCtx, caller: Mm, arg: number): Coroutine<number> {
  if (ctx.mmapChanging > 0) return -EAGAIN;
  const record = yield* readUserView(caller, arg, 24);
  if (typeof record === 'number') return record;
  const range = rangeAt(record);
  const mode = readU64(record, 16);
  if (!validateRange(range) || mode >= (WRITEPROTECT_WP | WRITEPROTECT_DONTWAKE)) return -EINVAL;
  if (!mmgetNotZero(ctx.mm)) return -ESRCH;
  const error = yield* mwriteprotectRange(ctx, range, mode === WRITEPROTECT_WP);
  yield* mmput(ctx.mm);
  if (error === 0 && mode === 0) ctx.wakeUserfault(range.start, range.end);
  return error;
}
