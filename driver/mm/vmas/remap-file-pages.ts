import { EINVAL } from '../../../uapi/errno.js';
import { MAP_FIXED, MAP_LOCKED, MAP_NONBLOCK, MAP_SHARED } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { alignDown, TWO_64 } from '../tables/page-align.js';
import { type Mm, mmapAssertWriteLocked } from './mm.js';
import { doMmap, type MmapRequest } from './mmap.js';
import { AfterUnlock } from './munmap.js';
import { mmPopulate } from './populate.js';
import { VM, VM_ACCESS_FLAGS } from './vm-flags.js';
import type { MappedFile, Vma } from './vma.js';

/** Arguments of remap_file_pages(2). */
export interface RemapFilePagesRequest {
  readonly start: number;
  readonly sizeBytes: number;
  readonly prot: number;
  /** Where in the file, in pages. */
  readonly pgoff: number;
  readonly flags: number;
}

/** How the file of a vma is mapped again. */
export type MapAgain = (vma: Vma) => Pick<MmapRequest, 'mode' | 'mmapFile'>;

/**
 * Another part of the file that is mapped shared at `start` takes its place, as by mmap(2). 0 or a negative errno. Deviates: there is no log to
 * say in that the call is deprecated. Linux: mm/mmap.c:remap_file_pages()
 */
export function* remapFilePages(mm: Mm, request: RemapFilePagesRequest, mapAgain: MapAgain): Coroutine<number> {
  const start = alignDown(request.start, PAGE_SIZE);
  const len = alignDown(request.sizeBytes, PAGE_SIZE);
  if (request.prot !== 0 || len === 0 || start + len >= TWO_64) return -EINVAL;
  if (request.pgoff + len / PAGE_SIZE >= TWO_64) return -EINVAL;
  yield* mm.mmapLock.readLock();
  const seen = mm.vmaLookup(start);
  const file = seen === null || !seen.isShared ? null : seen.file;
  const flags = seen?.flags ?? 0;
  file?.get();
  mm.mmapLock.readUnlock();
  if (file === null) return -EINVAL;
  const after = new AfterUnlock();
  yield* mm.mmapLock.writeLock();
  const vma = vmaOfAll(mm, { start, end: start + len, file, flags });
  const result =
    vma === null
      ? -EINVAL
      : yield* doMmap(
          mm,
          {
            ...{ addr: start, len, pgoff: request.pgoff, file, prot: flags & VM_ACCESS_FLAGS },
            flags: MAP_SHARED | MAP_FIXED | (flags & VM.locked ? MAP_LOCKED : 0),
            ...mapAgain(vma),
          },
          after,
        );
  mm.mmapLock.writeUnlock();
  yield* file.put();
  yield* after.run();
  if (result < 0) return result;
  if (!(request.flags & MAP_NONBLOCK) || flags & VM.locked) yield* mmPopulate(mm, start, start + len);
  return 0;
}

/** The vma at `start`, if all from there to `end` is of that file and has these flags still. */
function vmaOfAll(
  mm: Mm,
  { start, end, file, flags }: { start: number; end: number; file: MappedFile; flags: number },
): Vma | null {
  mmapAssertWriteLocked(mm);
  for (let at = start; at < end; ) {
    const vma = mm.vmaLookup(at);
    if (vma === null || vma.file !== file || vma.flags !== flags) return null;
    at = vma.end;
  }
  return mm.vmaLookup(start);
}
