import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, entryId, Shared } from '../../core/observer.js';
import type { AddressSpace } from '../files/address-space.js';
import type { AnonVma } from '../frames/anon-vma.js';
import type { UserfaultCtx } from '../userfault/ctx.js';
import type { Mm } from './mm.js';
import { VM } from './vm-flags.js';

/** What a file system or driver does for its mappings. */
export interface VmaOps {
  /** A vma of this file was split, merged or copied: another one exists. */
  open?(vma: Vma): void;
  /** The vma is gone. */
  close?(vma: Vma): void;
}

/** An open file as far as mm needs it; `driver/sys` has the rest. Reference counted by descriptors and VMAs. */
export interface MappedFile {
  readonly mapping: AddressSpace | null;
  /** The flags that a mapping may have which is to have these; null: its seals allow none. */
  checkSealsMmap?(vmFlags: number): number | null;
  get(): void;
  /** The last put releases the file, which may sleep (a device file evicts its device). */
  put(): Coroutine<void>;
  /** fallocate(2): 0 or a negative errno. */
  fallocate(range: { mode: number; offset: number; len: number }): Coroutine<number>;
}

/** `vm_area_struct`: one range of an address space, addresses page aligned, [start, end). Protected by mmap_lock. */
export class Vma {
  anonVma: AnonVma | null = null;
  /** Every anon_vma whose rmap walk must visit this vma, own one included. */
  readonly avcs: AnonVma[] = [];
  file: MappedFile | null = null;
  ops: VmaOps | null = null;
  /** Serves its faults; with it comes one of the VM_UFFD flags. Linux: vm_userfaultfd_ctx */
  userfault: UserfaultCtx | null = null;

  constructor(
    readonly mm: Mm,
    /** First address. */
    public start: number,
    /** First address behind. */
    public end: number,
    public flags: number,
    /** Page offset of `start` in the file; for anonymous memory `start / 4096` of the time of its mmap. */
    public pgoff: number,
  ) {}

  get isShared(): boolean {
    return (this.flags & VM.shared) !== 0;
  }

  /** The linear page index of `addr`. Linux: include/linux/pagemap.h:linear_page_index() */
  linearPageIndex(addr: number): number {
    return this.pgoff + (addr - this.start) / 4096;
  }

  /** The address of page `index` of the mapping, or -1 when this vma does not cover it. Linux: part of mm/internal.h:vma_address() */
  addressOf(index: number): number {
    const addr = this.start + (index - this.pgoff) * 4096;
    return index >= this.pgoff && addr < this.end ? addr : -1;
  }
}

/** Who holds mmap_lock to read may see a fault of somebody else give it one. */
export function vmaHasAnonVma(vma: Vma): boolean {
  touchAnonVma(vma, Access.read | Access.lockless);
  return vma.anonVma !== null;
}

/** `vma.anonVma` is about to be read or written where others may do so too. */
export function touchAnonVma({ mm: { id, memory }, start }: Vma, how: number): void {
  memory.kernel.observer?.touch(Shared.anonVma, entryId(id, start / 4096), how, 1);
}

/** Private anonymous memory, which hugetlb is not. Linux: include/linux/mm.h:vma_is_anonymous() */
export function vmaIsAnonymous(vma: Vma): boolean {
  return vma.file === null && (vma.flags & (VM.hugetlb | VM.shared)) === 0;
}

/** A mapping of a tmpfs file, shared or private. Linux: part of include/linux/shmem_fs.h:shmem_file() */
export function mapsShmem({ file, flags }: Vma): boolean {
  return file !== null && file.mapping !== null && !(flags & VM.hugetlb);
}

/** The same but for segments of SysV, whose vmas have operations of their own. Linux: mm/shmem.c:vma_is_shmem() */
export function vmaIsShmem(vma: Vma): boolean {
  return mapsShmem(vma) && vma.ops === null;
}

/** [start, end) are whole pages of `vma`. */
export function assertInVma(vma: Vma, start: number, end: number): void {
  assert(start % 4096 === 0 && end % 4096 === 0, 'a range is not of whole pages');
  assert(start >= vma.start && start <= end && end <= vma.end, 'a range reaches out of its vma');
}
