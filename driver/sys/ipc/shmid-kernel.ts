import { SHM_DEST, SHMID_DS_BYTES } from '../../../uapi/shm.js';
import { writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { HPAGE_PMD_NR, PAGE_SIZE } from '../../mm/frames/frames.js';
import type { VmaOps } from '../../mm/vmas/vma.js';
import { HugetlbfsInode } from '../files/hugetlbfs-file.js';
import type { TmpfsInode } from '../files/tmpfs-file.js';
import { Thread } from '../processes/thread.js';

/** An id is an index and above it how often the indexes were used up. Linux: IPCMNI_SHIFT */
export const SEQUENCE_SHIFT = 15;

/** What a segment begins with. */
interface SegmentStart {
  readonly id: number;
  readonly key: number;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly inode: TmpfsInode;
}

/**
 * A segment. Its inode has one link until it is removed, and is open once for each attachment. It is the operations of the vmas
 * that map it, which count themselves. Linux: struct shmid_kernel, ipc/shm.c:shm_vm_ops
 */
export class ShmidKernel implements VmaOps {
  readonly id: number;
  key: number;
  /** Of its file, for ever. */
  readonly path: string;
  mode: number;
  uid = 0;
  gid = 0;
  readonly sizeBytes: number;
  readonly inode: TmpfsInode;
  private readonly creatorPid: number;
  private lastPid = 0;
  /** Seconds since 1970; 0: never. */
  private attachTime = 0;
  private detachTime = 0;
  changeTime: number;
  /** Vmas that map it, and calls of shmat on their way. Linux: shm_nattch */
  attachments = 0;

  constructor(
    { id, key, mode, sizeBytes, inode }: SegmentStart,
    /** The segments by index, which it leaves with its last attachment. */
    private readonly segments: Map<number, ShmidKernel>,
  ) {
    this.id = id;
    this.key = key;
    this.path = `/SYSV${(key >>> 0).toString(16).padStart(8, '0')} (deleted)`;
    this.mode = mode;
    this.sizeBytes = sizeBytes;
    this.inode = inode;
    this.creatorPid = this.currentPid();
    this.changeTime = this.now();
  }

  get index(): number {
    return this.id % 2 ** SEQUENCE_SHIFT;
  }

  get isThere(): boolean {
    return this.segments.get(this.index) === this;
  }

  get npages(): number {
    return Math.ceil(this.sizeBytes / PAGE_SIZE);
  }

  get isHuge(): boolean {
    return this.inode instanceof HugetlbfsInode;
  }

  private currentPid(): number {
    const { program } = this.inode.memory.kernel.current;
    return program instanceof Thread ? program.process.pid : 0;
  }

  now(): number {
    return this.inode.memory.kernel.scheduler.clock.ktimeGetRealSeconds;
  }

  /** Linux: part of ipc/shm.c:__shm_open() */
  open(): void {
    this.attachTime = this.now();
    this.lastPid = this.currentPid();
    this.attachments++;
  }

  /** Linux: part of ipc/shm.c:__shm_close() */
  close(): void {
    this.detachTime = this.now();
    this.lastPid = this.currentPid();
    this.putAttachment();
  }

  /** Once removed it goes with its last attachment. Linux: part of ipc/shm.c:shm_may_destroy() */
  putAttachment(): void {
    this.attachments--;
    if (this.attachments === 0 && this.mode & SHM_DEST) this.segments.delete(this.index);
  }

  /** The inode stays for those who have it open. */
  *dropLink(): Coroutine<void> {
    if (this.inode.links === 0) return;
    this.inode.links--;
    yield* this.inode.evictIfUnused();
  }

  /** Its small pages in memory and in swap. Linux: ipc/shm.c:shm_add_rss_swap() */
  shmAddRssSwap(): { rss: number; swap: number } {
    let resident = 0;
    const { pages } = this.inode.mapping;
    pages.forEach((value) => {
      if (value > 0) resident++;
    });
    return this.isHuge ? { rss: resident * HPAGE_PMD_NR, swap: 0 } : { rss: resident, swap: pages.count - resident };
  }

  /** A line of /proc/sysvipc/shm. Linux: ipc/shm.c:sysvipc_shm_proc_show() */
  sysvipcShmProcShow(): string {
    const { rss, swap } = this.shmAddRssSwap();
    const column = (value: string | number, width: number): string => String(value).padStart(width);
    const columns = [
      column(this.key, 10),
      column(this.id, 10),
      ` ${column(this.mode.toString(8), 4)}`,
      column(this.sizeBytes, 21),
      column(this.creatorPid, 5),
      column(this.lastPid, 5),
      ` ${column(this.attachments, 5)}`,
      ...[this.uid, this.gid, 0, 0].map((owner) => column(owner, 5)),
      ...[this.attachTime, this.detachTime, this.changeTime].map((seconds) => column(seconds, 10)),
      ...[rss, swap].map((npages) => column(npages * PAGE_SIZE, 21)),
    ];
    return `${columns.join(' ')}\n`;
  }

  /** struct shmid64_ds. */
  shmid64Ds(): Uint8Array {
    const view = new DataView(new ArrayBuffer(SHMID_DS_BYTES));
    view.setInt32(0, this.key, true);
    view.setUint32(4, this.uid, true);
    view.setUint32(8, this.gid, true);
    view.setUint32(20, this.mode, true);
    view.setUint16(24, Math.floor(this.id / 2 ** SEQUENCE_SHIFT), true);
    writeU64(view, 48, this.sizeBytes);
    writeU64(view, 56, this.attachTime);
    writeU64(view, 64, this.detachTime);
    writeU64(view, 72, this.changeTime);
    view.setInt32(80, this.creatorPid, true);
    view.setInt32(84, this.lastPid, true);
    writeU64(view, 88, this.attachments);
    return new Uint8Array(view.buffer);
  }
}
