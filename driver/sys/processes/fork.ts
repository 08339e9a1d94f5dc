import { EAGAIN, ENOMEM } from '../../../uapi/errno.js';
import { SIGCHLD } from '../../../uapi/signal.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, Shared } from '../../core/observer.js';
import { dupMmap, mmCreate } from '../../mm/vmas/dup-mmap.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import type { Mm } from '../../mm/vmas/mm.js';
import type { Process } from './process.js';
import type { Thread } from './thread.js';

/** What parent and child have together instead of a copy each. */
export interface ForkOptions {
  /** Linux: CLONE_VM */
  readonly sharesMemory?: boolean;
  /** Linux: CLONE_FILES */
  readonly sharesFiles?: boolean;
  /** What the parent gets when the child ends; 0: nothing. SIGCHLD by default. */
  readonly exitSignal?: number;
}

/** The child, which has one thread that does nothing yet; or a negative errno. Linux: kernel/fork.c:copy_process() */
export function* copyProcess(thread: Thread, options: ForkOptions = {}): Coroutine<Process | number> {
  const { process } = thread;
  const { machine } = process;
  if (!machine.hasRoomFor(process.owner)) return -EAGAIN;
  const files = options.sharesFiles ? process.files.share() : process.files.dupFd();
  const mm = options.sharesMemory ? shareMm(process.mm) : yield* copyMm(process.mm);
  if (mm === null) {
    yield* files.exitFiles();
    // Linux: kernel/fork.c:copy_mm() makes -ENOMEM of every failure.
    return -ENOMEM;
  }
  // Others of the owner may have forked while the address space was copied.
  if (!machine.hasRoomFor(process.owner)) {
    yield* files.exitFiles();
    yield* mmput(mm);
    return -EAGAIN;
  }
  const child = machine.addProcess(mm, files, process);
  child.exitSignal = options.exitSignal ?? SIGCHLD;
  child.main.inherit(thread);
  return child;
}

function shareMm(mm: Mm): Mm {
  mm.touch(Shared.mmUsers, Access.add);
  mm.users++;
  return mm;
}

function* copyMm(old: Mm): Coroutine<Mm | null> {
  const mm = mmCreate(old.memory, old);
  mm.dumpable = old.dumpable;
  if ((yield* dupMmap(mm, old)) >= 0) return mm;
  yield* mmput(mm);
  return null;
}
