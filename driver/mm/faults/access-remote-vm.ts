import type { Coroutine } from '../../core/effect.js';
import { backingPfn, folioPut } from '../frames/folio.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { folioMarkDirty } from '../tables/pte-build.js';
import type { Mm } from '../vmas/mm.js';
import { FOLL } from './foll.js';
import { getUserPagesRemote } from './gup.js';

/** What is to be read or written, and with which rights. */
interface RemoteAccess {
  readonly bytes: Uint8Array;
  readonly write: boolean;
  /** As a debugger: private memory may be written and any memory read whatever its vma says. Linux: FOLL_FORCE */
  readonly force: boolean;
  /** How many bytes are to be there, those behind `bytes` too; left out: only these. */
  readonly pinnedBytes?: number;
}

/**
 * Reads into `bytes` from, or writes them to, another address space or one's own, page by page; how many were done before the first
 * page that could not be had. Linux: mm/memory.c:access_remote_vm(), mm/process_vm_access.c:process_vm_rw_single_vec()
 */
export function* accessRemoteVm(mm: Mm, addr: number, access: RemoteAccess): Coroutine<number> {
  const { bytes, write, force, pinnedBytes = bytes.length } = access;
  const { memory } = mm;
  const flags = (write ? FOLL.write : 0) | (force ? FOLL.force : 0);
  const found: number[] = [];
  let done = 0;
  yield* mm.mmapLock.readLock();
  while (done < pinnedBytes) {
    const at = addr + done;
    const offset = at % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - offset, pinnedBytes - done);
    const part = bytes.subarray(done, done + length);
    if ((yield* getUserPagesRemote(mm, at, 1, flags, found)) !== 1) break;
    const pfn = found[0]!;
    const from = backingPfn(memory, pfn) * PAGE_SIZE + offset;
    if (write) {
      memory.contentChanges(pfn);
      memory.bytes.set(part, from);
      folioMarkDirty(memory, pfn);
    } else {
      memory.contentIsRead(pfn);
      part.set(memory.bytes.subarray(from, from + part.length));
    }
    folioPut(memory, pfn);
    done += length;
  }
  mm.mmapLock.readUnlock();
  return Math.min(done, bytes.length);
}
