import { EBUSY, EINVAL, EPERM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import type { AddressSpace } from '../../mm/files/address-space.js';
import { memfdWaitForPins } from '../../mm/files/memfd.js';
import type { Memory } from '../../mm/memory.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import type { Vma } from '../../mm/vmas/vma.js';

/** What may not be done to a shmem file any more. Linux: include/uapi/linux/fcntl.h */
export const F_SEAL = { seal: 1, shrink: 2, grow: 4, write: 8, futureWrite: 0x10, exec: 0x20 } as const;
const F_ALL_SEALS = 0x3f;
/** Of a mode: who may execute the file. */
export const EXEC_BITS = 0o111;
const NO_WRITE = F_SEAL.write | F_SEAL.futureWrite;

/** A file with seals: any of tmpfs, of which only some memfds take more. */
export interface Sealed {
  seals: number;
  readonly mode: number;
  readonly memory: Memory;
  readonly mapping: AddressSpace;
}

/**
 * 0 or a negative errno. -EBUSY: it is mapped to be written, or somebody has pages of it. Deviates: there is no i_rwsem, so who writes or adds
 * seals while pages are waited for comes first. Linux: mm/memfd.c:memfd_add_seals()
 */
export function* memfdAddSeals(
  file: Sealed,
  asked: number,
  { isWritable }: { isWritable: boolean },
): Coroutine<number> {
  if (!isWritable) return -EPERM;
  if (asked & ~F_ALL_SEALS) return -EINVAL;
  if (file.seals & F_SEAL.seal) return -EPERM;
  // What stays executable is not to be written any more.
  const implied = F_SEAL.shrink | F_SEAL.grow | NO_WRITE;
  const seals = asked & F_SEAL.exec && file.mode & EXEC_BITS ? asked | implied : asked;
  if (seals & F_SEAL.write && !(file.seals & F_SEAL.write)) {
    const { memory, mapping } = file;
    if (mapping.vmas.some(maybeWrites)) return -EBUSY;
    mapping.writableDenials++;
    const error = yield* memfdWaitForPins(memory, mapping);
    mapping.writableDenials--;
    if (error !== 0) return error;
    if (file.seals & F_SEAL.seal) return -EPERM;
  }
  file.seals |= seals;
  return 0;
}

function maybeWrites({ flags }: Vma): boolean {
  return (flags & VM.shared) !== 0 && (flags & VM.maywrite) !== 0;
}

/** Linux: part of mm/shmem.c:shmem_write_begin() */
export function sealsForbidWrite({ seals, mapping }: Sealed, end: number): boolean {
  return (seals & NO_WRITE) !== 0 || ((seals & F_SEAL.grow) !== 0 && end > mapping.size);
}

/** Linux: part of mm/shmem.c:shmem_setattr() */
export function sealsForbidSize({ seals, mapping }: Sealed, sizeBytes: number): boolean {
  return (seals & (sizeBytes < mapping.size ? F_SEAL.shrink : F_SEAL.grow)) !== 0 && sizeBytes !== mapping.size;
}

/** A shared mapping of what can't be written is for reading, and stays so; null: it may not be made. Linux: mm/memfd.c:memfd_check_seals_mmap() */
export function memfdCheckSealsMmap({ seals }: Sealed, vmFlags: number): number | null {
  if (!(seals & NO_WRITE) || !(vmFlags & VM.shared)) return vmFlags;
  return vmFlags & VM.write ? null : vmFlags & ~VM.maywrite;
}
