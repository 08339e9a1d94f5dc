import { O_RDWR } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { type MmapRequest, vmMmapPgoff } from '../../mm/vmas/mmap.js';
import type { ReleaseQueue } from './open-file.js';
import { TmpfsFile, TmpfsInode } from './tmpfs-file.js';

/** MAP_SHARED | MAP_ANONYMOUS: a tmpfs file without a name, as long as the mapping. Linux: part of mm/shmem.c:shmem_zero_setup() */
export function* mmapSharedAnonymous(mm: Mm, releases: ReleaseQueue, request: MmapRequest): Coroutine<number> {
  const inode = new TmpfsInode(mm.memory);
  inode.mapping.size = Math.ceil(request.len / PAGE_SIZE) * PAGE_SIZE;
  const file = new TmpfsFile(releases, O_RDWR, inode);
  const result = yield* vmMmapPgoff(mm, { ...request, file, pgoff: 0 });
  yield* file.put();
  return result;
}
