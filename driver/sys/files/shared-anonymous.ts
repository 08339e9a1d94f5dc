import { ENOMEM } from '../../../uapi/errno.js';
import { O_RDWR } from '../../../uapi/fcntl.js';
import { MAP_HUGETLB } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../../mm/frames/frames.js';
import { type Mm, vmEnoughMemory } from '../../mm/vmas/mm.js';
import { type MmapRequest, vmMmapPgoff } from '../../mm/vmas/mmap.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { HugetlbfsFile, HugetlbfsInode } from './hugetlbfs-file.js';
import type { ReleaseQueue } from './open-file.js';
import { TmpfsFile, TmpfsInode } from './tmpfs-file.js';

/** Unless MAP_NORESERVE says otherwise the memory is promised; that of hugetlb by the pool. Linux: part of mm/shmem.c:__shmem_file_setup() */
function* mmapPromised(file: TmpfsFile, vma: Vma): Coroutine<number> {
  const isPromised = file.mapping.hugetlb === null && !(vma.flags & VM.noreserve);
  if (isPromised && !vmEnoughMemory(vma.mm.memory, file.mapping.size / PAGE_SIZE)) return -ENOMEM;
  return yield* file.mmap(vma);
}

/**
 * MAP_SHARED | MAP_ANONYMOUS: a file without a name, as long as the mapping, of hugetlbfs with MAP_HUGETLB.
 * Linux: part of mm/shmem.c:shmem_zero_setup() and mm/mmap.c:ksys_mmap_pgoff()
 */
export function* mmapSharedAnonymous(mm: Mm, releases: ReleaseQueue, request: MmapRequest): Coroutine<number> {
  const isHugetlb = (request.flags & MAP_HUGETLB) !== 0;
  const pageSize = isHugetlb ? HPAGE_PMD_SIZE : PAGE_SIZE;
  const file = isHugetlb
    ? new HugetlbfsFile(releases, O_RDWR, new HugetlbfsInode(mm.memory))
    : new TmpfsFile(releases, O_RDWR, new TmpfsInode(mm.memory));
  if (isHugetlb) file.path = '/anon_hugepage (deleted)';
  file.mapping.isAnonymous = !isHugetlb;
  file.mapping.size = Math.ceil(request.len / pageSize) * pageSize;
  const result = yield* vmMmapPgoff(mm, {
    ...request,
    file,
    pgoff: isHugetlb ? request.pgoff : 0,
    mmapFile: (vma) => mmapPromised(file, vma),
  });
  yield* file.put();
  return result;
}
