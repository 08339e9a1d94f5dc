import { UFFD_EVENT, UFFD_FEATURE } from '../../../uapi/userfaultfd.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import type { Vma } from '../vmas/vma.js';
import { UserfaultCtx, VM_UFFD_FLAGS } from './ctx.js';

/** Linux: mm/userfaultfd.c:userfaultfd_reset_ctx() */
export function userfaultfdResetCtx(vma: Vma): void {
  vma.userfault = null;
  vma.flags &= ~VM_UFFD_FLAGS;
}

/** An event that is still to be told, of a context whose pages must not be filled in until then. */
interface PendingEvent {
  readonly ctx: UserfaultCtx;
  readonly event: number;
  readonly words: readonly number[];
  readonly forked: UserfaultCtx | null;
}

export type PendingEvents = PendingEvent[];

function pend(pending: PendingEvents, event: PendingEvent): void {
  event.ctx.userfaultfdCtxGet();
  event.ctx.mmapChanging++;
  pending.push(event);
}

/** Sleeps until the event was read, or the file is closed. No lock is held. Linux: fs/userfaultfd.c:userfaultfd_event_wait_completion() */
function* userfaultfdEventWaitCompletion({ ctx, event, words, forked }: PendingEvent): Coroutine<void> {
  const { current } = ctx.mm.memory.kernel;
  const told = { msg: { event, words }, forked, isDone: false, queue: new WaitQueue('event of a userfaultfd') };
  ctx.events.push(told);
  ctx.tell();
  while (!told.isDone && !ctx.released && !current.killed) yield told.queue;
  const at = ctx.events.indexOf(told);
  if (at >= 0) ctx.events.splice(at, 1);
  if (!told.isDone && forked !== null) yield* userfaultfdReleaseNew(forked);
  ctx.mmapChanging--;
  ctx.userfaultfdCtxPut();
}

/** Linux: mm/userfaultfd.c:userfaultfd_release_new() */
function* userfaultfdReleaseNew(forked: UserfaultCtx): Coroutine<void> {
  const { mm } = forked;
  yield* mm.mmapLock.writeLock();
  for (const vma of mm.vmas) if (vma.userfault === forked) userfaultfdResetCtx(vma);
  mm.mmapLock.writeUnlock();
  forked.userfaultfdCtxPut();
}

/** Tells of all of them, one after the other. */
export function* completeEvents(pending: PendingEvents): Coroutine<void> {
  for (const event of pending.splice(0)) yield* userfaultfdEventWaitCompletion(event);
}

/** They will not be told, as what they are about did not come to be. Linux: fs/userfaultfd.c:dup_userfaultfd_fail() */
export function dupUserfaultfdFail(pending: PendingEvents): void {
  for (const { ctx, forked } of pending.splice(0)) {
    ctx.mmapChanging--;
    ctx.userfaultfdCtxPut();
    forked?.userfaultfdCtxPut();
  }
}

/** The child's vma is served by a context of its own if the parent's wants to hear of forks, else by none. Linux: fs/userfaultfd.c:dup_userfaultfd() */
export function dupUserfaultfd(child: Vma, parent: Vma, pending: PendingEvents): void {
  const { userfault: ctx } = parent;
  if (ctx === null) return;
  if (!ctx.has(UFFD_FEATURE.eventFork)) {
    userfaultfdResetCtx(child);
    return;
  }
  let forked = pending.find((event) => event.ctx === ctx)?.forked ?? null;
  if (forked === null) {
    forked = new UserfaultCtx(child.mm, ctx.flags, ctx.wakePollers);
    forked.features = ctx.features;
    pend(pending, { ctx, event: UFFD_EVENT.fork, words: [], forked });
  }
  child.userfault = forked;
}

/** A moved vma stays served if its context wants to hear of that. Linux: fs/userfaultfd.c:mremap_userfaultfd_prep() */
export function mremapUserfaultfdPrep(
  vma: Vma,
  { from, to, len }: { from: number; to: number; len: number },
  pending: PendingEvents,
): void {
  const { userfault: ctx } = vma;
  if (ctx === null) return;
  if (ctx.has(UFFD_FEATURE.eventRemap))
    pend(pending, { ctx, event: UFFD_EVENT.remap, words: [from, to, len], forked: null });
  else userfaultfdResetCtx(vma);
}

/** Pages are about to be given up: false when mmap_lock was let go of, to tell. Linux: fs/userfaultfd.c:userfaultfd_remove() */
export function* userfaultfdRemove({ mm, userfault: ctx }: Vma, start: number, end: number): Coroutine<boolean> {
  if (ctx === null || !ctx.has(UFFD_FEATURE.eventRemove)) return true;
  const pending: PendingEvents = [];
  pend(pending, { ctx, event: UFFD_EVENT.remove, words: [start, end], forked: null });
  mm.mmapLock.readUnlock();
  yield* completeEvents(pending);
  return false;
}

/** Linux: fs/userfaultfd.c:userfaultfd_unmap_prep() */
export function userfaultfdUnmapPrep(
  { userfault: ctx }: Vma,
  start: number,
  end: number,
  pending: PendingEvents,
): void {
  if (ctx === null || !ctx.has(UFFD_FEATURE.eventUnmap)) return;
  const isKnown = pending.some(({ ctx: known, words }) => known === ctx && words[0] === start && words[1] === end);
  if (!isKnown) pend(pending, { ctx, event: UFFD_EVENT.unmap, words: [start, end], forked: null });
}
