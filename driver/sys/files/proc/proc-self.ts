import { EINVAL } from '../../../../uapi/errno.js';
import type { Coroutine } from '../../../core/effect.js';
import type { IovIter } from '../../../mm/faults/iov-iter.js';
import { PAGE_SIZE } from '../../../mm/frames/frames.js';
import { lockedPages } from '../../../mm/vmas/mlock.js';
import type { Mm } from '../../../mm/vmas/mm.js';
import { isDataMapping, isStackMapping, vmaRights } from '../../../mm/vmas/vm-flags.js';
import type { Vma } from '../../../mm/vmas/vma.js';
import type { Machine } from '../../machine/machine.js';
import type { Process } from '../../processes/process.js';
import { COMM_LEN } from '../../processes/program-image.js';
import { doSigpending } from '../../processes/program-signals.js';
import { NO_SIGNALS, type SignalSet, signalSet } from '../../processes/signal-set.js';
import type { Thread } from '../../processes/thread.js';
import { OpenFile } from '../open-file.js';
import { MapsFile } from './maps-file.js';
import { procFdLink, procPidLookup } from './proc-fd.js';
import { ProcFile } from './proc-file.js';
import { showSmap } from './smaps.js';

const KIB = 1024;
const NAME_COLUMN = 73;

/** Puts the text files of /proc/self into the tree of paths; each is about the process that opened it, and maps about its address space by then. */
export function addProcSelf(machine: Machine): void {
  const files: Record<string, (thread: Thread) => string> = {
    status: statusText,
    cmdline: ({ process }) => (process.image?.layout.argv ?? []).map((arg) => `${arg}\0`).join(''),
  };
  for (const [name, text] of Object.entries(files)) {
    machine.vfs.addSpecial(`/proc/self/${name}`, function* (thread, flags) {
      // Deviates: the files of a process that has ended are empty, and no error.
      return new ProcFile(machine, flags, { read: () => (thread.process.mm.users === 0 ? '' : text(thread)) });
    });
  }
  machine.vfs.addSpecial('/proc/self/comm', function* ({ process }, flags) {
    return new CommFile(machine, flags, process);
  });
  const ofVmas: Record<string, (process: Process, vma: Vma) => string> = {
    maps: showMapVma,
    smaps: (process, vma) => showMapVma(process, vma) + showSmap(vma),
  };
  for (const [name, text] of Object.entries(ofVmas)) {
    machine.vfs.addSpecial(`/proc/self/${name}`, function* ({ process }, flags) {
      return new MapsFile(machine, flags, process.mm, (vma) => text(process, vma));
    });
  }
}

/** The name of a process. */
class CommFile extends ProcFile {
  constructor(
    machine: Machine,
    flags: number,
    private readonly process: Process,
  ) {
    super(machine, flags, {
      read: () => `${process.image?.comm ?? ''}\n`,
      store(text) {
        if (process.image === null) return -EINVAL;
        process.image.comm = text.slice(0, COMM_LEN);
        return 0;
      },
    });
  }

  /** The position stays. Linux: part of fs/proc/base.c:comm_write() */
  override *writeIter(thread: Thread, from: IovIter): Coroutine<number> {
    return thread.process === this.process ? yield* super.writeIter(thread, from, 0) : -EINVAL;
  }
}

/** Linux: fs/proc/task_mmu.c:show_map_vma() */
export function showMapVma(process: Process, vma: Vma): string {
  const { start, end, flags } = vma;
  const offset = vma.file === null ? 0 : vma.pgoff * PAGE_SIZE;
  const { path, dev, ino } = fileOf(vma);
  const head = `${hex(start, 8)}-${hex(end, 8)} ${vmaRights(flags)} ${hex(offset, 8)} ${dev} ${ino} `;
  const name = path !== '' ? path : areaName(process, vma);
  return `${name === '' ? head : head.padEnd(NAME_COLUMN) + name}\n`;
}

function fileOf(vma: Vma): { path: string; dev: string; ino: number } {
  const { file } = vma;
  if (!(file instanceof OpenFile)) return { path: '', dev: '00:00', ino: 0 };
  const path = file.path === '' ? '/dev/zero (deleted)' : file.dPath;
  // Linux: fs/seq_file.c:seq_path()
  return { path: path.replaceAll('\n', '\\012'), dev: '00:01', ino: file.stat().ino };
}

function areaName({ image }: Process, vma: Vma): string {
  if (image === null) return '';
  const { startBrk, stackStart, stackEnd } = image.layout;
  if (vma.start < image.brk && vma.end > startBrk) return '[heap]';
  return vma.start >= stackStart && vma.end <= stackEnd ? '[stack]' : '';
}

function statusText(thread: Thread): string {
  const { process } = thread;
  const { rss } = process.mm;
  const { image, signals } = process;
  const handled = (isIt: (handler: number) => boolean): SignalSet =>
    signalSet(...(signals?.actions ?? []).flatMap(({ handler }, signo) => (signo > 0 && isIt(handler) ? [signo] : [])));
  return [
    // Linux: fs/proc/array.c:proc_task_name()
    `Name:\t${(image?.comm ?? '').replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
    'State:\tR (running)',
    `Tgid:\t${process.pid}`,
    `Pid:\t${thread.tid}`,
    `PPid:\t${process.parent?.pid ?? 0}`,
    'TracerPid:\t0',
    'Uid:\t0\t0\t0\t0',
    'Gid:\t0\t0\t0\t0',
    ...[
      ['VmSize', sizeKib(process.mm, () => true)],
      ['VmLck', lockedPages(process.mm) * 4],
      ['VmRSS', (rss.anon + rss.file + rss.shmem) * 4],
      ['RssAnon', rss.anon * 4],
      ['RssFile', rss.file * 4],
      ['RssShmem', rss.shmem * 4],
      ['VmData', sizeKib(process.mm, isDataMapping)],
      ['VmStk', sizeKib(process.mm, isStackMapping)],
      ['VmSwap', rss.swap * 4],
    ].map(([name, kib]) => `${name}:\t${String(kib).padStart(8)} kB`),
    `THP_enabled:\t${Number(!process.mm.isThpDisabled)}`,
    `Threads:\t${process.threads.length}`,
    `SigPnd:\t${setText(signalSet(...doSigpending(thread)))}`,
    `SigBlk:\t${setText(thread.signals?.mask ?? NO_SIGNALS)}`,
    `SigIgn:\t${setText(handled((handler) => handler === 1))}`,
    `SigCgt:\t${setText(handled((handler) => handler > 1))}`,
    `NoNewPrivs:\t${Number(thread.noNewPrivs)}`,
    '',
  ].join('\n');
}

/** Of the vmas whose flags are such. Linux: part of mm/mmap.c:vm_stat_account() */
function sizeKib({ vmas }: Mm, isSuch: (flags: number) => boolean): number {
  return vmas.reduce((sum, { start, end, flags }) => sum + (isSuch(flags) ? (end - start) / KIB : 0), 0);
}

function setText({ lo, hi }: SignalSet): string {
  return hex(hi >>> 0, 8) + hex(lo >>> 0, 8);
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0');
}

/** A link of /proc, for readlink(2); null when there is none of that name. */
export function procLink(thread: Thread, path: string): string | null {
  const other = procPidLookup(thread, path);
  if (other !== null) return procLink(other.thread, other.path);
  const { process } = thread;
  if (path === '/proc/self/exe') return process.image?.layout.path ?? null;
  if (path === '/proc/self') return String(process.pid);
  if (path === '/proc/self/cwd' || path === '/proc/self/root') return '/';
  return procFdLink(thread, path)?.dPath ?? null;
}
