import { EINVAL, EIO } from '../../../../uapi/errno.js';
import type { Coroutine } from '../../../core/effect.js';
import { accessRemoteVm } from '../../../mm/faults/access-remote-vm.js';
import { CLEAR_REFS, clearRefsWrite } from '../../../mm/tables/clear-refs.js';
import { mmput } from '../../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../../mm/vmas/mm.js';
import type { Machine } from '../../machine/machine.js';
import type { Thread } from '../../processes/thread.js';
import { cString, kstrtoint } from '../kstrtox.js';
import { memLseek, type Seek } from '../llseek.js';
import { MmFile } from './mm-file.js';

/** /proc/PID/mem: memory as a debugger sees it. Linux: fs/proc/base.c:mem_rw() */
export class MemFile extends MmFile {
  protected readonly mode = 0o600;

  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    const bytes = new Uint8Array(lenBytes);
    const done = yield* this.access(bytes, offset, false);
    return done < 0 ? done : bytes.subarray(0, done);
  }

  override *pwrite(_thread: Thread, bytes: Uint8Array, offset: number): Coroutine<number> {
    return yield* this.access(bytes, offset, true);
  }

  override llseek(seek: Seek): number {
    return memLseek(this, seek);
  }

  private *access(bytes: Uint8Array, offset: number, write: boolean): Coroutine<number> {
    if (bytes.length === 0 || !mmgetNotZero(this.mm)) return 0;
    const done = yield* accessRemoteVm(this.mm, offset, { bytes, write, force: true });
    yield* mmput(this.mm);
    return done === 0 ? -EIO : done;
  }
}

/** Linux: fs/proc/task_mmu.c:clear_refs_write() */
class ClearRefsFile extends MmFile {
  protected readonly mode = 0o200;

  /** Linux: part of fs/read_write.c:noop_llseek() */
  override llseek(): number {
    return this.position;
  }

  override *pwrite(_thread: Thread, bytes: Uint8Array): Coroutine<number> {
    const taken = bytes.subarray(0, 12);
    const type = kstrtoint(cString(taken).trim());
    if (type < 0) return type;
    if (type < CLEAR_REFS.all || type > CLEAR_REFS.mmHiwaterRss) return -EINVAL;
    if (!mmgetNotZero(this.mm)) return taken.length;
    yield* clearRefsWrite(this.mm, type);
    yield* mmput(this.mm);
    return taken.length;
  }
}

/** Puts them into the tree of paths. */
export function addMmFiles(machine: Machine): void {
  for (const [name, File] of [
    ['mem', MemFile],
    ['clear_refs', ClearRefsFile],
  ] as const) {
    machine.vfs.addSpecial(`/proc/self/${name}`, function* ({ process }, flags) {
      return new File(machine, flags, process.mm);
    });
  }
}
