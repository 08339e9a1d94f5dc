import { EBUSY, EINTR, EINVAL, ENOMEM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { makeDeviceExclusive, makeDeviceExclusiveRange } from '../../hmm/index.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { folioUnlockAndPut } from '../../mm/frames/folio.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../mm/vmas/mm.js';
import { CHUNK_POINT, EXCLUSIVE_CHUNK_PAGES } from '../context.js';
import { MirrorTag } from '../mirror/mirror.js';
import { returnMirroredData } from '../mirror/mirror-copy.js';
import { type Command, traceChunk } from './command.js';

/**
 * EXCLUSIVE: gives the device exclusive access to the pages of a range until the CPU touches them; the data goes to `ptr`.
 * Whatever goes wrong with a chunk is -EBUSY in 6.12, and what it had got stays as it is (Q6); later kernels go page by page and say why.
 * Linux: lib/test_hmm.c:dmirror_exclusive()
 */
export function* dmirrorExclusive(command: Command): Coroutine<number> {
  const { mm } = command.file;
  const { kernel, profile } = command.context.memory;
  if (!mmgetNotZero(mm)) return -EINVAL;
  if (kernel.inject.armed) yield* kernel.inject.reach(InjectPoint.mmapLock);
  yield* mm.mmapLock.readLock();
  const pages = new Uint32Array(EXCLUSIVE_CHUNK_PAGES);
  let ret = 0;
  for (let start = command.addr; ret === 0 && start < command.end; start += EXCLUSIVE_CHUNK_PAGES * PAGE_SIZE) {
    if (kernel.scheduler.contended) yield CHUNK_POINT;
    if (kernel.inject.armed) yield* kernel.inject.betweenChunks(start);
    // Deviates: Linux goes on to the end, for hours if need be. Only who serves the machine can ask for this.
    if (kernel.current.isAbandoned) {
      ret = -EINTR;
      break;
    }
    const end = Math.min(start + EXCLUSIVE_CHUNK_PAGES * PAGE_SIZE, command.end);
    traceChunk(kernel, start, 'begin');
    ret = profile.exclusiveIsMapping
      ? yield* exclusivePages(command, { start, end })
      : yield* exclusiveChunk(command, { start, end }, pages);
    traceChunk(kernel, start, 'end', ret);
  }
  mm.mmapLock.readUnlock();
  yield* mmput(mm);
  return ret !== 0 ? ret : yield* returnMirroredData(command);
}

function* exclusiveChunk(
  command: Command,
  { start, end }: { start: number; end: number },
  pages: Uint32Array,
): Coroutine<number> {
  const { memory } = command.context;
  memory.kernel.assertHeld(LockClass.mmapLock);
  const npages = (end - start) / PAGE_SIZE;
  const got = yield* makeDeviceExclusiveRange(command.file.mm, { start, end, owner: null }, pages);
  const mapped = got === npages ? yield* dmirrorAtomicMap(command, start / PAGE_SIZE, pages.subarray(0, npages)) : 0;
  for (let i = 0; i < got; i++) {
    const pfn = pages[i]!;
    if (pfn === 0) continue;
    yield* folioUnlockAndPut(memory, pfn);
  }
  return mapped < npages ? -EBUSY : 0;
}

/** Page by page until one can't be had. Linux: part of lib/test_hmm.c:dmirror_exclusive(), since 6.15 */
function* exclusivePages(command: Command, { start, end }: { start: number; end: number }): Coroutine<number> {
  const { mm } = command.file;
  const { memory } = command.context;
  memory.kernel.assertHeld(LockClass.mmapLock);
  let ret = 0;
  for (let addr = start; ret === 0 && addr < end; addr += PAGE_SIZE) {
    const pfn = yield* makeDeviceExclusive(mm, addr, null);
    if (pfn < 0) return pfn;
    const mapped = yield* dmirrorAtomicMap(command, addr / PAGE_SIZE, Uint32Array.of(pfn));
    if (mapped === 0) ret = -ENOMEM;
    yield* folioUnlockAndPut(memory, pfn);
  }
  return ret;
}

/** Mirrors the pages that are exclusive; answers how many. Linux: lib/test_hmm.c:dmirror_atomic_map() */
function* dmirrorAtomicMap({ file }: Command, firstVpn: number, pages: Uint32Array): Coroutine<number> {
  let mapped = 0;
  const { inject } = file.mm.memory.kernel;
  file.mm.memory.kernel.assertHeld(LockClass.mmapLock);
  yield* file.mutex.lock();
  for (let i = 0; i < pages.length; i++) {
    if (pages[i] === 0) continue;
    if (inject.armed && inject.hit(InjectPoint.mirrorStore, (firstVpn + i) * PAGE_SIZE) !== 0) break;
    file.mirror.store(firstVpn + i, pages[i]!, MirrorTag.atomic);
    mapped++;
  }
  file.mutex.unlock();
  return mapped;
}
