import { EACCES, EINVAL, EIO } from '../../../../uapi/errno.js';
import { countShmemPages } from '../../../mm/files/shmem.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, PAGE_SIZE, PG } from '../../../mm/frames/frames.js';
import type { Memory } from '../../../mm/memory.js';
import type { Machine } from '../../machine/machine.js';
import { kstrtoull } from '../kstrtox.js';
import { addKpageFiles } from './kpage-files.js';
import { addMmFiles } from './mm-files.js';
import { PagemapFile } from './pagemap-file.js';
import { mayOpen, ProcFile, type TextNode } from './proc-file.js';
import { addSplitHugePages } from './split-huge-pages-file.js';
import { thpNodes } from './thp-nodes.js';

const KIB_PER_PAGE = PAGE_SIZE / 1024;
const HUGE_KIB = 2048;
const HUGEPAGES = '/sys/kernel/mm/hugepages';

/** Puts /proc and /sys into the tree of paths. */
export function addProcFiles(machine: Machine): void {
  for (const [path, node] of procNodes(machine.memory)) addTextNode(machine, path, node);
  addMmFiles(machine);
  addKpageFiles(machine);
  addSplitHugePages(machine);
  machine.vfs.addSpecial('/proc/self/pagemap', function* (thread, flags) {
    return new PagemapFile(machine, flags, thread.process.mm);
  });
}

export function addTextNode(machine: Machine, path: string, node: TextNode): void {
  const { vfs } = machine;
  if (node.reset !== undefined) vfs.onReset(node.reset);
  const checksMode = /^\/(sys|proc\/sys)\//.test(path);
  vfs.addSpecial(path, function* (_thread, flags) {
    return checksMode && !mayOpen(node, flags) ? -EACCES : new ProcFile(machine, flags, node);
  });
}

/** The readable and writable text files of /proc and /sys, by path. */
function procNodes(memory: Memory): Map<string, TextNode> {
  return new Map<string, TextNode>([
    ...thpNodes(memory),
    ...hugepageNodes(memory),
    ...sysctlNodes(memory),
    ['/proc/meminfo', { read: () => meminfo(memory), store: () => -EIO, mode: 0o444 }],
  ]);
}

/** /proc/sys/vm. Deviates: what the machine has but one value of takes no other. */
function sysctlNodes(memory: Memory): [string, TextNode][] {
  const fixed = (read: () => string): TextNode => ({
    read,
    sysctl: { set: (value) => (value === null || value === Number(read()) ? 0 : -EINVAL) },
    isFixed: true,
  });
  const nodes: Readonly<Record<string, TextNode>> = {
    nr_hugepages: {
      read: () => `${memory.hugetlb.count}\n`,
      sysctl: { set: (count) => setHugePages(memory, count ?? memory.hugetlb.count) },
    },
    nr_overcommit_hugepages: fixed(() => '0\n'),
    max_map_count: fixed(() => `${memory.maxMapCount}\n`),
    mmap_min_addr: fixed(() => '65536\n'),
    overcommit_memory: fixed(() => '0\n'),
    // There is no cache of files but tmpfs, and nothing to compact.
    drop_caches: { read: () => '', sysctl: { min: 1, max: 4, set: () => 0 }, mode: 0o200 },
    compact_memory: compactMemory(),
  };
  return Object.entries(nodes).map(([name, node]) => [`/proc/sys/vm/${name}`, node]);
}

/** Linux: part of mm/compaction.c:sysctl_compaction_handler() */
function compactMemory(): TextNode {
  let last = 0;
  return {
    read: () => '',
    sysctl: {
      max: 2 ** 31 - 1,
      set(value) {
        last = value ?? last;
        return last === 1 ? 0 : -EINVAL;
      },
    },
    mode: 0o200,
    reset() {
      last = 0;
    },
  };
}

/** /sys/kernel/mm/hugepages: one number a file. Pages of 1 GiB can be asked for, but no memory has as much in one piece. */
function hugepageNodes(memory: Memory): [string, TextNode][] {
  const { hugetlb } = memory;
  const numbers: Readonly<Record<string, () => number>> = {
    nr_hugepages: () => hugetlb.count,
    free_hugepages: () => hugetlb.freeCount,
    resv_hugepages: () => hugetlb.reserved,
    surplus_hugepages: () => hugetlb.surplus,
    nr_overcommit_hugepages: () => 0,
  };
  return Object.entries(numbers).flatMap(([name, read]): [string, TextNode][] => {
    const isTotal = name === 'nr_hugepages';
    const mode = name.startsWith('nr_') ? 0o644 : 0o444;
    const node = (text: () => string, set: (count: number) => number): TextNode => ({
      read: text,
      mode,
      ...(isTotal && { store: (written) => nrHugepagesStoreCommon(written, set) }),
    });
    return [
      [
        `${HUGEPAGES}/hugepages-2048kB/${name}`,
        node(
          () => `${read()}\n`,
          (count) => setHugePages(memory, count),
        ),
      ],
      [
        `${HUGEPAGES}/hugepages-1048576kB/${name}`,
        node(
          () => '0\n',
          () => 0,
        ),
      ],
    ];
  });
}

/** Linux: mm/hugetlb.c:nr_hugepages_store_common() */
function nrHugepagesStoreCommon(text: string, set: (count: number) => number): number {
  const count = kstrtoull(text);
  return count < 0 ? count : set(count);
}

function setHugePages({ hugetlb }: Memory, count: number): number {
  hugetlb.setMaxHugePages(count);
  return 0;
}

/**
 * Folios of 2 MiB: anonymous ones that one entry maps, those of tmpfs, and such of these that one entry maps.
 * Linux: NR_ANON_THPS, NR_SHMEM_THPS, NR_SHMEM_PMDMAPPED
 */
function hugePages({ frames: { raw }, allocator }: Memory): { anon: number; shmem: number; shmemMapped: number } {
  const sum = { anon: 0, shmem: 0, shmemMapped: 0 };
  for (let head = 0; head < allocator.freshStart; head += HPAGE_PMD_NR) {
    const flags = raw.flags[head]!;
    if (raw.refcount[head] === 0 || raw.order[head] !== HPAGE_PMD_ORDER || flags & PG.hugetlb) continue;
    const isMapped = raw.entireMapcount[head]! > 0;
    if (flags & PG.anon) sum.anon += Number(isMapped);
    else if (raw.mapping[head] !== 0) {
      sum.shmem++;
      sum.shmemMapped += Number(isMapped);
    }
  }
  return sum;
}

function meminfo(memory: Memory): string {
  const { hugetlb, swap, allocator, frames } = memory;
  let anonPages = 0;
  const huge = hugePages(memory);
  for (const mm of memory.mms) anonPages += mm.rss.anon;
  const rows: [string, number][] = [
    ['MemTotal', frames.systemFrames * KIB_PER_PAGE],
    ['MemFree', Math.max(0, allocator.available) * KIB_PER_PAGE],
    ['MemAvailable', Math.max(0, allocator.available) * KIB_PER_PAGE],
    ['SwapTotal', swap.capacity * KIB_PER_PAGE],
    ['SwapFree', (swap.capacity - swap.used) * KIB_PER_PAGE],
    ['AnonPages', anonPages * KIB_PER_PAGE],
    ['Shmem', countShmemPages(memory) * KIB_PER_PAGE],
  ];
  const hugeRows: [string, number][] = [
    ['AnonHugePages', huge.anon * HUGE_KIB],
    ['ShmemHugePages', huge.shmem * HUGE_KIB],
    ['ShmemPmdMapped', huge.shmemMapped * HUGE_KIB],
    ['FileHugePages', 0],
    ['FilePmdMapped', 0],
  ];
  const kibText = ([name, value]: [string, number]): string =>
    `${`${name}:`.padEnd(16)}${String(value).padStart(8)} kB\n`;
  const kib = rows.map(kibText).join('') + hugeRows.map(kibText).join('');
  const counts: [string, number][] = [
    ['HugePages_Total', hugetlb.count],
    ['HugePages_Free', hugetlb.freeCount],
    ['HugePages_Rsvd', hugetlb.reserved],
    ['HugePages_Surp', hugetlb.surplus],
  ];
  const pages = counts.map(([name, value]) => `${name}:${String(value).padStart(8)}\n`).join('');
  return `${kib}${pages}${'Hugepagesize:'.padEnd(16)}${String(HUGE_KIB).padStart(8)} kB\n`;
}
