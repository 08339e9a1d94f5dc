import type { Coroutine } from '../../../core/effect.js';
import { PAGE_SIZE } from '../../../mm/frames/frames.js';
import { THP_ORDERS_ALL_ANON, TVA, thpVmaAllowableOrders } from '../../../mm/huge/thp-policy.js';
import { Kind, kindOf, Pte } from '../../../mm/tables/entry.js';
import { pmdIndex, pteIndex } from '../../../mm/tables/page-table.js';
import { lockedPages } from '../../../mm/vmas/mlock.js';
import type { Mm } from '../../../mm/vmas/mm.js';
import { VM, vmaRights } from '../../../mm/vmas/vm-flags.js';
import type { Vma } from '../../../mm/vmas/vma.js';
import type { Machine } from '../../machine/machine.js';
import type { Process } from '../../processes/process.js';
import { doSigpending } from '../../processes/program-signals.js';
import { NO_SIGNALS, type SignalSet, signalSet } from '../../processes/signal-set.js';
import type { Thread } from '../../processes/thread.js';
import { OpenFile } from '../open-file.js';
import { ProcFile } from './proc-file.js';

const KIB = 1024;
const NAME_COLUMN = 73;

/** Puts the text files of /proc/self into the tree of paths; each is about the process that opened it, and maps about its address space by then. */
export function addProcSelf(machine: Machine): void {
  const files: Record<string, (thread: Thread) => string> = {
    maps: ({ process }) => process.mm.vmas.map((vma) => showMapVma(process, vma)).join(''),
    smaps: ({ process }) => process.mm.vmas.map((vma) => showMapVma(process, vma) + smapsRows(vma)).join(''),
    status: statusText,
    comm: ({ process }) => `${process.image?.comm ?? ''}\n`,
    cmdline: ({ process }) => (process.image?.layout.argv ?? []).map((arg) => `${arg}\0`).join(''),
  };
  for (const [name, text] of Object.entries(files)) {
    machine.vfs.addSpecial(`/proc/self/${name}`, function* (thread, flags) {
      const { process } = thread;
      const opened = name.endsWith('maps') ? process.mm : null;
      return new ProcSelfFile(machine, flags, { mm: () => opened ?? process.mm, read: () => text(thread) });
    });
  }
}

/** Reads with the address space held still. */
class ProcSelfFile extends ProcFile {
  constructor(
    machine: Machine,
    flags: number,
    private readonly of: { mm(): Mm; read(): string },
  ) {
    super(machine, flags, of);
  }

  protected override *show(): Coroutine<string> {
    const { read } = this.of;
    const mm = this.of.mm();
    // The process has ended, or runs another program. Linux: fs/proc/task_mmu.c:m_start()
    if (mm.users === 0) return '';
    yield* mm.mmapLock.readLock();
    const text = read();
    mm.mmapLock.readUnlock();
    return text;
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
  const path = file.path === '' ? '/dev/zero (deleted)' : file.path;
  return { path, dev: '00:01', ino: file.stat().ino };
}

function areaName({ image }: Process, vma: Vma): string {
  if (image === null) return '';
  const { startBrk, stackStart, stackEnd } = image.layout;
  if (vma.start < image.brk && vma.end > startBrk) return '[heap]';
  return vma.start >= stackStart && vma.end <= stackEnd ? '[stack]' : '';
}

/** Pages of a vma by what maps them. */
interface Resident {
  pages: number;
  dirty: number;
  anon: number;
  hugeKib: number;
  shmemHugeKib: number;
  swap: number;
}

/** Linux: fs/proc/task_mmu.c:smap_gather_stats() */
function smapGatherStats(vma: Vma): Resident {
  const sum: Resident = { pages: 0, dirty: 0, anon: 0, hugeKib: 0, shmemHugeKib: 0, swap: 0 };
  const endVpn = vma.end / PAGE_SIZE;
  for (let vpn = vma.start / PAGE_SIZE; vpn < endVpn; ) {
    const pmd = vma.mm.pageTable.pmdTable(vpn);
    const lo = pmd === null ? 0 : pmd.lo(pmdIndex(vpn));
    if (pmd === null || kindOf(lo) !== Kind.table) {
      const next = Math.min(endVpn, (Math.floor(vpn / 512) + 1) * 512);
      if (kindOf(lo) === Kind.present && !(lo & Pte.special))
        addHuge(sum, vma, { lo, pfn: pmd!.hi(pmdIndex(vpn)), npages: next - vpn });
      vpn = next;
      continue;
    }
    const table = pmd.child(pmdIndex(vpn))!;
    addPage(sum, vma, table.lo(pteIndex(vpn)), table.hi(pteIndex(vpn)));
    vpn++;
  }
  return sum;
}

/** Linux: part of fs/proc/task_mmu.c:smaps_pmd_entry() */
function addHuge(sum: Resident, vma: Vma, { lo, pfn, npages }: { lo: number; pfn: number; npages: number }): void {
  if (vma.flags & VM.hugetlb) return;
  sum.pages += npages;
  const kib = (npages * PAGE_SIZE) / KIB;
  if (vma.mm.memory.frames.isAnon(pfn)) {
    sum.anon += npages;
    sum.hugeKib += kib;
  } else sum.shmemHugeKib += kib;
  if (lo & Pte.dirty) sum.dirty += npages;
}

function addPage(sum: Resident, vma: Vma, lo: number, pfn: number): void {
  const kind = kindOf(lo);
  if (kind === Kind.swap) sum.swap++;
  if (kind !== Kind.present || lo & Pte.special) return;
  sum.pages++;
  if (lo & Pte.dirty) sum.dirty++;
  if (vma.mm.memory.frames.isAnon(pfn)) sum.anon++;
}

function smapsRows(vma: Vma): string {
  const { pages, dirty, anon, hugeKib, shmemHugeKib, swap } = smapGatherStats(vma);
  const isShared = (vma.flags & VM.mayshare) !== 0;
  const pageKib = (vma.flags & VM.hugetlb ? 512 : 1) * 4;
  const rows: [string, number][] = [
    ['Size', (vma.end - vma.start) / KIB],
    ['KernelPageSize', pageKib],
    ['MMUPageSize', pageKib],
    ['Rss', pages * 4],
    ['Pss', pages * 4],
    ['Shared_Clean', isShared ? (pages - dirty) * 4 : 0],
    ['Shared_Dirty', isShared ? dirty * 4 : 0],
    ['Private_Clean', isShared ? 0 : (pages - dirty) * 4],
    ['Private_Dirty', isShared ? 0 : dirty * 4],
    ['Referenced', pages * 4],
    ['Anonymous', anon * 4],
    ['AnonHugePages', hugeKib],
    ['ShmemPmdMapped', shmemHugeKib],
    ['FilePmdMapped', 0],
    ['Swap', swap * 4],
    ['Locked', vma.flags & VM.locked ? pages * 4 : 0],
  ];
  const text = rows.map(([name, kib]) => `${`${name}:`.padEnd(16)}${String(kib).padStart(8)} kB\n`).join('');
  const orders = thpVmaAllowableOrders(vma, TVA.smaps | TVA.enforceSysfs, { orders: THP_ORDERS_ALL_ANON });
  return `${text}THPeligible:    ${String(orders === 0 ? 0 : 1).padStart(8)}\nVmFlags: ${vmFlagNames(vma)}\n`;
}

const FLAG_NAMES: readonly [number, string][] = [
  [VM.read, 'rd'],
  [VM.write, 'wr'],
  [VM.exec, 'ex'],
  [VM.shared, 'sh'],
  [VM.mayread, 'mr'],
  [VM.maywrite, 'mw'],
  [VM.mayexec, 'me'],
  [VM.mayshare, 'ms'],
  [VM.uffdMissing, 'um'],
  [VM.pfnmap, 'pf'],
  [VM.uffdMinor, 'ui'],
  [VM.uffdWp, 'uw'],
  [VM.locked, 'lo'],
  [VM.io, 'io'],
  [VM.dontcopy, 'dc'],
  [VM.dontexpand, 'de'],
  [VM.lockonfault, 'lf'],
  [VM.account, 'ac'],
  [VM.noreserve, 'nr'],
  [VM.hugetlb, 'ht'],
  [VM.wipeonfork, 'wf'],
  [VM.notSoftDirty, 'sd'],
  [VM.mixedmap, 'mm'],
  [VM.hugepage, 'hg'],
  [VM.nohugepage, 'nh'],
];

function vmFlagNames({ flags }: Vma): string {
  return FLAG_NAMES.filter(([bit]) => (flags ^ VM.notSoftDirty) & bit)
    .map(([, name]) => name)
    .join(' ');
}

function statusText(thread: Thread): string {
  const { process } = thread;
  const { rss, vmas } = process.mm;
  const sizeKib = vmas.reduce((sum, vma) => sum + (vma.end - vma.start) / KIB, 0);
  const { image, signals } = process;
  const dataKib = image === null ? 0 : (image.brk - image.layout.startBrk) / KIB;
  const stackKib = image === null ? 0 : (image.layout.stackEnd - image.layout.stackStart) / KIB;
  const handled = (isIt: (handler: number) => boolean): SignalSet =>
    signalSet(...(signals?.actions ?? []).flatMap(({ handler }, signo) => (signo > 0 && isIt(handler) ? [signo] : [])));
  return [
    `Name:\t${image?.comm ?? ''}`,
    'State:\tR (running)',
    `Tgid:\t${process.pid}`,
    `Pid:\t${thread.tid}`,
    `PPid:\t${process.parent?.pid ?? 0}`,
    'TracerPid:\t0',
    'Uid:\t0\t0\t0\t0',
    'Gid:\t0\t0\t0\t0',
    ...[
      ['VmSize', sizeKib],
      ['VmLck', lockedPages(process.mm) * 4],
      ['VmRSS', (rss.anon + rss.file + rss.shmem) * 4],
      ['RssAnon', rss.anon * 4],
      ['RssFile', rss.file * 4],
      ['RssShmem', rss.shmem * 4],
      ['VmData', dataKib],
      ['VmStk', stackKib],
      ['VmSwap', rss.swap * 4],
    ].map(([name, kib]) => `${name}:\t${String(kib).padStart(8)} kB`),
    `Threads:\t${process.threads.length}`,
    `SigPnd:\t${setText(signalSet(...doSigpending(thread)))}`,
    `SigBlk:\t${setText(thread.signals?.mask ?? NO_SIGNALS)}`,
    `SigIgn:\t${setText(handled((handler) => handler === 1))}`,
    `SigCgt:\t${setText(handled((handler) => handler > 1))}`,
    '',
  ].join('\n');
}

function setText({ lo, hi }: SignalSet): string {
  return hex(hi >>> 0, 8) + hex(lo >>> 0, 8);
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0');
}

/** A link of /proc, for readlink(2); null when there is none of that name. */
export function procLink(thread: Thread, path: string): string | null {
  const { process } = thread;
  if (path === '/proc/self/exe') return process.image?.layout.path ?? null;
  if (path === '/proc/self') return String(process.pid);
  if (path === '/proc/self/cwd' || path === '/proc/self/root') return '/';
  const fd = /^\/proc\/self\/fd\/(\d+)$/.exec(path)?.[1];
  if (fd === undefined) return null;
  const file = process.files.get(Number(fd));
  return file === null ? null : file.path || `anon_inode:[${file.constructor.name}]`;
}
