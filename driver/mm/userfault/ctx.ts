import { UFFD_FEATURE } from '../../../uapi/userfaultfd.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { type Mm, mmdrop, mmgrab } from '../vmas/mm.js';
import { VM } from '../vmas/vm-flags.js';
import { type Vma, vmaIsAnonymous, vmaIsShmem } from '../vmas/vma.js';

/** Faults of the kernel on behalf of the process are not told of. Linux: UFFD_USER_MODE_ONLY */
export const UFFD_USER_MODE_ONLY = 1;

/** One of 32 bytes: the kind, then up to three 64-bit words. Linux: struct uffd_msg */
interface UffdMsg {
  readonly event: number;
  readonly words: readonly number[];
}

/** A task that waits for a page. Linux: struct userfaultfd_wait_queue */
export interface UserfaultWait {
  readonly msg: UffdMsg;
  readonly addr: number;
  /** Somebody was told of it. */
  isRead: boolean;
  readonly queue: WaitQueue;
}

/** A task that waits until its event was read. */
export interface UserfaultEvent {
  readonly msg: UffdMsg;
  /** Of the event of a fork: what serves the child. */
  readonly forked: UserfaultCtx | null;
  isDone: boolean;
  readonly queue: WaitQueue;
}

/**
 * What serves faults of the vmas that name it. Linux: struct userfaultfd_ctx. Deviates: there is no map_changing_lock, as whoever
 * fills in or moves pages looks at `mmapChanging` under the mmap_lock that whoever changes the mappings has too.
 */
export class UserfaultCtx {
  /** UFFD_FEATURE bits; null before the API was spoken. */
  features: number | null = null;
  /** The file is closed, or about to be. */
  released = false;
  /** Events about changed mappings that nobody has read yet: pages must not be filled in meanwhile. */
  mmapChanging = 0;
  readonly waits: UserfaultWait[] = [];
  readonly events: UserfaultEvent[] = [];
  readonly arrived = new WaitQueue('userfaultfd');
  private references = 1;

  constructor(
    readonly mm: Mm,
    /** Those of userfaultfd(2). */
    readonly flags: number,
    readonly wakePollers: () => void,
  ) {
    mmgrab(mm);
  }

  has(feature: number): boolean {
    return ((this.features ?? 0) & feature) !== 0;
  }

  /** Somebody has something to read. */
  tell(): void {
    this.arrived.wakeAll();
    this.wakePollers();
  }

  /** Linux: fs/userfaultfd.c:userfaultfd_ctx_get() */
  userfaultfdCtxGet(): void {
    this.references++;
  }

  /** Linux: fs/userfaultfd.c:userfaultfd_ctx_put() */
  userfaultfdCtxPut(): void {
    if (--this.references === 0) mmdrop(this.mm);
  }

  /** Whoever is woken is none to be told of any more, though it has not run yet. Linux: fs/userfaultfd.c:wake_userfault() */
  wakeUserfault(start: number, end: number): void {
    for (const wait of [...this.waits]) {
      if (wait.addr < start || wait.addr >= end) continue;
      this.forget(wait);
      wait.queue.wakeAll();
    }
  }

  forget(wait: UserfaultWait): void {
    const at = this.waits.indexOf(wait);
    if (at >= 0) this.waits.splice(at, 1);
  }
}

/** VM_UFFD_MISSING, _WP, _MINOR. Linux: __VM_UFFD_FLAGS */
export const VM_UFFD_FLAGS = VM.uffdMissing | VM.uffdWp | VM.uffdMinor;

/** Linux: include/linux/userfaultfd_k.h:userfaultfd_armed() */
export function userfaultfdArmed({ flags }: Vma): boolean {
  return (flags & VM_UFFD_FLAGS) !== 0;
}

/** Write protection is taken off by the first write, and nobody told. Linux: fs/userfaultfd.c:userfaultfd_wp_async() */
export function userfaultfdWpAsync({ userfault }: Vma): boolean {
  return userfault?.has(UFFD_FEATURE.wpAsync) ?? false;
}

/** Entries that are none are protected by a marker. Linux: include/linux/userfaultfd_k.h:userfaultfd_wp_use_markers() */
export function userfaultfdWpUseMarkers(vma: Vma): boolean {
  if (!(vma.flags & VM.uffdWp)) return false;
  return !vmaIsAnonymous(vma) || (vma.userfault?.has(UFFD_FEATURE.wpUnpopulated) ?? false);
}

/** Linux: include/linux/userfaultfd_k.h:vma_has_uffd_without_event_remap() */
export function vmaHasUffdWithoutEventRemap({ userfault }: Vma): boolean {
  return userfault !== null && !userfault.has(UFFD_FEATURE.eventRemap);
}

/** Linux: include/linux/userfaultfd_k.h:vma_can_userfault() */
export function vmaCanUserfault(vma: Vma, flags: number, wpAsync: boolean): boolean {
  const isHugetlb = (vma.flags & VM.hugetlb) !== 0;
  if (!isHugetlb && vma.flags & (VM.io | VM.dontexpand | VM.pfnmap | VM.mixedmap)) return false;
  if (flags & VM.uffdMinor && !isHugetlb && !vmaIsShmem(vma)) return false;
  if (wpAsync && (flags & VM_UFFD_FLAGS) === VM.uffdWp) return true;
  return vmaIsAnonymous(vma) || isHugetlb || vmaIsShmem(vma);
}
