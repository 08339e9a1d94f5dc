import { EFAULT, ENOENT } from '../../../uapi/errno.js';
import { type Coroutine, FINE, preemptPoint } from '../../core/effect.js';
import { KernelOops } from '../../core/kernel-oops.js';
import { copyToUser } from '../../mm/faults/access.js';
import { PAGE_SIZE, Zone } from '../../mm/frames/frames.js';
import { type Command, dmirrorBounceInit } from '../commands/command.js';
import { MirrorTag, mirrorPfn, mirrorTag } from './mirror.js';

const MIRROR_COPY_POINT = preemptPoint('mirror copy');
/** Pages after which whoever runs the machine in slices gets control back. Nobody else gets at the mirror meanwhile. */
const PAGES_PER_SLICE = 512;

/**
 * Copies pages from the device's view into `bounce`, from page `command.cpages` of the range on, and counts them there.
 * 0, or -ENOENT at the first page that the mirror lacks. Linux: lib/test_hmm.c:dmirror_do_read()
 */
export function* dmirrorDoRead(command: Command, bounce: Uint8Array): Coroutine<number> {
  const { file, context } = command;
  const { bytes, kernel } = context.memory;
  const first = command.addr / PAGE_SIZE;
  kernel.mightSleep();
  yield* file.mutex.lock();
  let ret = 0;
  while (command.cpages < command.npages) {
    if (kernel.scheduler.isFine) yield FINE.content;
    const entry = file.mirror.get(first + command.cpages);
    if (entry === 0) {
      ret = -ENOENT;
      break;
    }
    const from = byteOffset(command, mirrorPfn(entry));
    context.memory.contentIsRead(from / PAGE_SIZE);
    bounce.set(bytes.subarray(from, from + PAGE_SIZE), command.cpages * PAGE_SIZE);
    if (++command.cpages % PAGES_PER_SLICE === 0 && kernel.scheduler.isPreemptive) yield MIRROR_COPY_POINT;
  }
  file.mutex.unlock();
  return ret;
}

/** The same in the other direction: only pages that the mirror may write count. Linux: lib/test_hmm.c:dmirror_do_write() */
export function* dmirrorDoWrite(command: Command, bounce: Uint8Array): Coroutine<number> {
  const { file, context } = command;
  const { bytes, kernel } = context.memory;
  const first = command.addr / PAGE_SIZE;
  yield* file.mutex.lock();
  let ret = 0;
  while (command.cpages < command.npages) {
    if (kernel.scheduler.isFine) yield FINE.content;
    const entry = file.mirror.get(first + command.cpages);
    if (entry === 0 || mirrorTag(entry) !== MirrorTag.write) {
      ret = -ENOENT;
      break;
    }
    const from = command.cpages * PAGE_SIZE;
    const to = byteOffset(command, mirrorPfn(entry));
    context.memory.contentChanges(to / PAGE_SIZE);
    bytes.set(bounce.subarray(from, from + PAGE_SIZE), to);
    if (++command.cpages % PAGES_PER_SLICE === 0 && kernel.scheduler.isPreemptive) yield MIRROR_COPY_POINT;
  }
  file.mutex.unlock();
  return ret;
}

/**
 * The end of MIGRATE_TO_DEV, MIGRATE_ON_FAULT_TO_DEV and EXCLUSIVE: what the device sees now goes to `ptr`, and cpages
 * counts that (Q11). 0, -ENOMEM, -ENOENT when the mirror lacks a page, -EFAULT.
 */
export function* returnMirroredData(command: Command): Coroutine<number> {
  const bounce = dmirrorBounceInit(command);
  if (typeof bounce === 'number') return bounce;
  command.cpages = 0;
  let ret = yield* dmirrorDoRead(command, bounce);
  if (ret === 0 && (yield* copyToUser(command.callerMm, command.ptr, bounce)) !== 0) ret = -EFAULT;
  command.context.bounce.give(bounce);
  return ret;
}

/** Where the bytes of a mirrored frame are. The frame may be gone (Q2): its old place is touched, and that is reported. */
function byteOffset({ context, addr, cpages }: Command, pfn: number): number {
  const { frames, kernel } = context.memory;
  if (frames.zone[pfn] === Zone.private) {
    throw new KernelOops('the device touches the memory of a device-private page', addr + cpages * PAGE_SIZE, pfn);
  }
  if (frames.hasRefcountAtMost(frames.head(pfn), 0))
    kernel.emit('page', { what: 'mirror entry to a freed page', addr: addr + cpages * PAGE_SIZE, pfn });
  return pfn * PAGE_SIZE;
}
