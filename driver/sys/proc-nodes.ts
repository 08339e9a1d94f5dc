import { EINVAL } from '../../uapi/errno.js';
import { PAGE_SIZE } from '../mm/frames.js';
import type { Memory } from '../mm/memory.js';
import type { Machine } from './machine.js';
import { PagemapFile } from './pagemap-file.js';
import { ProcFile, type TextNode } from './proc-file.js';

const THP_ENABLED = ['always', 'madvise', 'never'] as const;
const THP_DEFRAG = ['always', 'defer', 'defer+madvise', 'madvise', 'never'] as const;
const KIB_PER_PAGE = PAGE_SIZE / 1024;
const HUGE_KIB = 2048;

/** Puts /proc and /sys into the tree of paths. */
export function addProcFiles(machine: Machine): void {
  const { vfs } = machine;
  for (const [path, node] of procNodes(machine.memory)) {
    vfs.addSpecial(path, function* (_thread, flags) {
      return new ProcFile(machine, flags, node);
    });
  }
  vfs.addSpecial('/proc/self/pagemap', function* (thread, flags) {
    return new PagemapFile(machine, flags, thread.process.mm);
  });
}

/** The readable and writable text files of /proc and /sys, by path. */
function procNodes(memory: Memory): Map<string, TextNode> {
  let defrag: (typeof THP_DEFRAG)[number] = 'madvise';
  return new Map<string, TextNode>([
    [
      '/sys/kernel/mm/transparent_hugepage/enabled',
      choice(THP_ENABLED, {
        get: () => memory.thpEnabled,
        set: (value) => {
          memory.thpEnabled = value;
        },
      }),
    ],
    [
      // Kept and shown only: there is always memory enough to take a huge page at once or not at all.
      '/sys/kernel/mm/transparent_hugepage/defrag',
      choice(THP_DEFRAG, {
        get: () => defrag,
        set: (value) => {
          defrag = value;
        },
      }),
    ],
    ['/sys/kernel/mm/transparent_hugepage/hpage_pmd_size', { read: () => `${HUGE_KIB * 1024}\n` }],
    [
      '/proc/sys/vm/nr_hugepages',
      { read: () => `${memory.hugetlb.count}\n`, write: (text) => writeHugePages(memory, text) },
    ],
    ...hugepageNodes(memory),
    ['/proc/meminfo', { read: () => meminfo(memory) }],
  ]);
}

/** /sys/kernel/mm/hugepages/hugepages-2048kB: one number a file. */
function hugepageNodes(memory: Memory): [string, TextNode][] {
  const { hugetlb } = memory;
  const numbers: Readonly<Record<string, () => number>> = {
    nr_hugepages: () => hugetlb.count,
    free_hugepages: () => hugetlb.freeCount,
    resv_hugepages: () => hugetlb.reserved,
    surplus_hugepages: () => 0,
    nr_overcommit_hugepages: () => 0,
  };
  return Object.entries(numbers).map(([name, read]) => {
    const node: TextNode = { read: () => `${read()}\n` };
    if (name === 'nr_hugepages') node.write = (text) => writeHugePages(memory, text);
    return [`/sys/kernel/mm/hugepages/hugepages-2048kB/${name}`, node];
  });
}

/** Deviates: the pool's size is set when the machine is made, so only the number it has is accepted. */
function writeHugePages(memory: Memory, text: string): number {
  return Number(text) === memory.hugetlb.count ? 0 : -EINVAL;
}

/** A file that shows all values with the present one in brackets. */
function choice<T extends string>(values: readonly T[], { get, set }: { get(): T; set(value: T): void }): TextNode {
  return {
    read: () => `${values.map((value) => (value === get() ? `[${value}]` : value)).join(' ')}\n`,
    write: (text) => {
      const value = values.find((candidate) => candidate === text);
      if (value === undefined) return -EINVAL;
      set(value);
      return 0;
    },
  };
}

function meminfo(memory: Memory): string {
  const { hugetlb, swap, allocator, frames } = memory;
  let anonPages = 0;
  let shmemPages = 0;
  for (const mm of memory.mms) anonPages += mm.rss.anon;
  for (const mapping of memory.mappings.values()) {
    mapping.pages.forEach((page) => {
      if (page > 0) shmemPages++;
    });
  }
  const rows: [string, number][] = [
    ['MemTotal', frames.systemFrames * KIB_PER_PAGE],
    ['MemFree', Math.max(0, allocator.available) * KIB_PER_PAGE],
    ['MemAvailable', Math.max(0, allocator.available) * KIB_PER_PAGE],
    ['SwapTotal', swap.capacity * KIB_PER_PAGE],
    ['SwapFree', (swap.capacity - swap.used) * KIB_PER_PAGE],
    ['AnonPages', anonPages * KIB_PER_PAGE],
    ['Shmem', shmemPages * KIB_PER_PAGE],
  ];
  const kib = rows.map(([name, value]) => `${`${name}:`.padEnd(16)}${String(value).padStart(8)} kB\n`).join('');
  const counts: [string, number][] = [
    ['HugePages_Total', hugetlb.count],
    ['HugePages_Free', hugetlb.freeCount],
    ['HugePages_Rsvd', hugetlb.reserved],
    ['HugePages_Surp', 0],
  ];
  const pages = counts.map(([name, value]) => `${name}:${String(value).padStart(8)}\n`).join('');
  return `${kib}${pages}${'Hugepagesize:'.padEnd(16)}${String(HUGE_KIB).padStart(8)} kB\n`;
}
