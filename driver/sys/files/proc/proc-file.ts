import { EINVAL } from '../../../../uapi/errno.js';
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../../../../uapi/fcntl.js';
import type { Coroutine } from '../../../core/effect.js';
import { PAGE_SIZE } from '../../../mm/frames/frames.js';
import type { Thread } from '../../processes/thread.js';
import { cString } from '../kstrtox.js';
import { defaultLlseek, type Seek, seqLseek } from '../llseek.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from '../open-file.js';
import { SeqFile, textBytes } from './seq-file.js';
import { type SysctlNumber, writeSysctl } from './sysctl-number.js';

/** Text of a file in /proc or /sys, and what writing it does. */
export interface TextNode {
  read(): string;
  /** In sysfs: what is written, its line end included. 0 or a negative errno. */
  store?(text: string): number;
  /** In /proc/sys. */
  sysctl?: SysctlNumber;
  /** There is one value that it takes, where Linux has others. */
  isFixed?: boolean;
  /** Who may open it, where what can be written does not say that. */
  mode?: number;
  /** What it keeps by itself is new again, for another life of the machine. */
  reset?(): void;
}

/** Its text is one record. Linux: part of fs/seq_file.c:single_open() */
export class ProcFile extends OpenFile {
  private readonly seq = new SeqFile((index) => (index === 0 ? { text: this.node.read(), next: 1 } : null));

  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly node: TextNode,
  ) {
    super(releases, flags);
  }

  /** It can be opened for writing, and takes nothing new. */
  get isFixed(): boolean {
    return this.node.isFixed ?? (this.node.store ?? this.node.sysctl) === undefined;
  }

  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    // What did not fit the first read is gone. Linux: part of kernel/sysctl.c:__do_proc_dointvec() and __do_proc_doulongvec_minmax()
    if (this.isSysctl && offset > 0) return new Uint8Array();
    return textBytes(this.seq.read(lenBytes, offset));
  }

  private get isSysfs(): boolean {
    return this.path.startsWith('/sys/');
  }

  private get isSysctl(): boolean {
    return this.path.startsWith('/proc/sys/');
  }

  override stat(): FileStat {
    const size = this.isSysfs ? PAGE_SIZE : 0;
    return { mode: S_IFREG | modeOf(this.node), size, blocks: 0, ino: 2, rdev: 0 };
  }

  override llseek(seek: Seek): number {
    if (this.isSysctl) return defaultLlseek(this, seek);
    return HAS_LENGTH.test(this.path) ? super.llseek(seek) : seqLseek(this, seek);
  }

  override get hasFsync(): boolean {
    return this.isSysfs;
  }

  /** Linux: part of fs/kernfs/file.c:kernfs_fop_write_iter() and fs/proc/proc_sysctl.c:proc_sys_call_handler() */
  override *pwrite(_thread: Thread, bytes: Uint8Array, offset: number): Coroutine<number> {
    const { store, sysctl } = this.node;
    if (sysctl !== undefined) return writeSysctl(sysctl, bytes, offset);
    if (store === undefined) return -EINVAL;
    const taken = bytes.subarray(0, MAX_STORE);
    return taken.length === 0 ? 0 : store(cString(taken)) || taken.length;
  }
}

const MAX_STORE = 4096;
/** What is no record of lines that follow each other. */
const HAS_LENGTH = /^\/sys\/|\/cmdline$/;

function modeOf({ mode, store, sysctl }: TextNode): number {
  return mode ?? ((store ?? sysctl) === undefined ? 0o444 : 0o644);
}

/** Even the superuser opens a file of sysfs or of /proc/sys only for what it does. Linux: part of fs/kernfs/file.c:kernfs_fop_open() */
export function mayOpen(node: TextNode, flags: number): boolean {
  const mode = modeOf(node);
  const access = flags & O_ACCMODE;
  return (access === O_WRONLY || (mode & 0o400) !== 0) && (access === O_RDONLY || (mode & 0o200) !== 0);
}
