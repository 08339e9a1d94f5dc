import { EFAULT, EINVAL, ENODEV } from '../../../uapi/errno.js';
import { O_RDWR } from '../../../uapi/fcntl.js';
import { MAP_HUGE_MASK, MAP_HUGE_SHIFT } from '../../../uapi/mman.js';
import type { Coroutine } from '../../core/effect.js';
import { hstateSizelog } from '../../mm/huge/hstate-sizelog.js';
import { GiganticFile, HugetlbfsFile, HugetlbfsInode } from '../../sys/files/hugetlbfs-file.js';
import type { OpenFile } from '../../sys/files/open-file.js';
import { F_SEAL } from '../../sys/files/seals.js';
import { TmpfsFile, TmpfsInode } from '../../sys/files/tmpfs-file.js';
import type { Machine } from '../../sys/machine/machine.js';
import { strncpyFromUser } from '../../sys/processes/user-memory.js';
import type { GuestSyscallTable } from '../guest-syscall.js';
import type { GuestThread } from '../guest-thread.js';

const MFD = { cloexec: 1, allowSealing: 2, hugetlb: 4, noexecSeal: 8, exec: 0x10 } as const;
const MFD_ALL = 0x1f;
/** With the NUL that ends it. Linux: MFD_NAME_MAX_LEN */
const NAME_BYTES = 250;

/** Files without a name. */
export const memfdSyscalls: GuestSyscallTable = {
  279: { name: 'memfd_create', args: 'sx', note: 'of 1 GiB pages there are none', run: memfdCreate },
};

/** Linux: mm/memfd.c:memfd_create() */
function* memfdCreate(guest: GuestThread): Coroutine<number> {
  const flags = guest.int(1);
  const isHuge = (flags & MFD.hugetlb) !== 0;
  if (flags & ~(MFD_ALL | (isHuge ? MAP_HUGE_MASK << MAP_HUGE_SHIFT : 0))) return -EINVAL;
  if (flags & MFD.exec && flags & MFD.noexecSeal) return -EINVAL;
  const name = yield* strncpyFromUser(guest.mm, guest.u(0), NAME_BYTES);
  if (typeof name === 'number') return name === -EFAULT ? name : -EINVAL;
  const { files, machine } = guest.process;
  const file = openMemfd(machine, flags);
  if (typeof file === 'number') return file;
  file.path = `/memfd:${name} (deleted)`;
  const fd = files.install(file);
  if (fd < 0) yield* file.put();
  else files.setCloseOnExec(fd, (flags & MFD.cloexec) !== 0);
  return fd;
}

function openMemfd(machine: Machine, flags: number): OpenFile | number {
  if (flags & MFD.hugetlb) {
    const size = hstateSizelog(flags);
    if (size === 'gigantic') return new GiganticFile(machine, O_RDWR);
    if (size === null) return -ENODEV;
  }
  const file =
    flags & MFD.hugetlb
      ? new HugetlbfsFile(machine, O_RDWR, new HugetlbfsInode(machine.memory))
      : new TmpfsFile(machine, O_RDWR, new TmpfsInode(machine.memory));
  file.inode.mode = flags & MFD.noexecSeal ? 0o666 : 0o777;
  if (flags & MFD.noexecSeal) file.inode.seals = F_SEAL.exec;
  else if (flags & MFD.allowSealing) file.inode.seals = 0;
  return file;
}
