import { EINVAL } from '../../../uapi/errno.js';
import { HPAGE_PMD_SIZE } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import type { TextNode } from './proc-file.js';

const THP = '/sys/kernel/mm/transparent_hugepage';
const SHMEM_ENABLED = ['always', 'within_size', 'advise', 'never', 'deny', 'force'];

/**
 * /sys/kernel/mm/transparent_hugepage. Deviates: 2 MiB is the only size; tmpfs has no huge pages, and there is no
 * khugepaged and no compaction, so what concerns those is kept and shown only.
 */
export function thpNodes(memory: Memory): [string, TextNode][] {
  const nodes: Readonly<Record<string, TextNode>> = {
    enabled: choice(['always', 'madvise', 'never'], {
      get: () => memory.thpEnabled,
      set: (value) => {
        memory.thpEnabled = value;
      },
    }),
    'hugepages-2048kB/enabled': choice(['always', 'inherit', 'madvise', 'never'], {
      get: () => memory.thpPmdEnabled,
      set: (value) => {
        memory.thpPmdEnabled = value;
      },
    }),
    use_zero_page: {
      read: () => (memory.usesHugeZero ? '1\n' : '0\n'),
      write(text) {
        if (text !== '0' && text !== '1') return -EINVAL;
        memory.usesHugeZero = text === '1';
        return 0;
      },
    },
    hpage_pmd_size: { read: () => `${HPAGE_PMD_SIZE}\n` },
    defrag: keptChoice(['always', 'defer', 'defer+madvise', 'madvise', 'never'], 'madvise'),
    shmem_enabled: keptChoice(SHMEM_ENABLED, 'never'),
    'hugepages-2048kB/shmem_enabled': keptChoice(['always', 'inherit', 'within_size', 'advise', 'never'], 'inherit'),
    ...khugepagedNodes(),
  };
  return Object.entries(nodes).map(([name, node]) => [`${THP}/${name}`, node]);
}

/** As Linux has them at boot, with their greatest values. */
function khugepagedNodes(): Record<string, TextNode> {
  const MAX_PTES = 511;
  const MAX_UINT = 2 ** 32 - 1;
  return {
    'khugepaged/defrag': keptNumber(1, { min: 0, max: 1 }),
    'khugepaged/alloc_sleep_millisecs': keptNumber(60_000, { min: 0, max: MAX_UINT }),
    'khugepaged/scan_sleep_millisecs': keptNumber(10_000, { min: 0, max: MAX_UINT }),
    'khugepaged/pages_to_scan': keptNumber(4096, { min: 1, max: MAX_UINT }),
    'khugepaged/max_ptes_none': keptNumber(MAX_PTES, { min: 0, max: MAX_PTES }),
    'khugepaged/max_ptes_swap': keptNumber(64, { min: 0, max: MAX_PTES }),
    'khugepaged/max_ptes_shared': keptNumber(256, { min: 0, max: MAX_PTES }),
    'khugepaged/full_scans': { read: () => '0\n' },
    'khugepaged/pages_collapsed': { read: () => '0\n' },
  };
}

/** A file that shows all values with the present one in brackets. */
function choice<T extends string>(values: readonly T[], { get, set }: { get(): T; set(value: T): void }): TextNode {
  return {
    read: () => `${values.map((value) => (value === get() ? `[${value}]` : value)).join(' ')}\n`,
    write(text) {
      const value = values.find((candidate) => candidate === text);
      if (value === undefined) return -EINVAL;
      set(value);
      return 0;
    },
  };
}

function keptChoice(values: readonly string[], initial: string): TextNode {
  let current = initial;
  const node = choice(values, {
    get: () => current,
    set: (value) => {
      current = value;
    },
  });
  node.reset = () => {
    current = initial;
  };
  return node;
}

function keptNumber(initial: number, { min, max }: { min: number; max: number }): TextNode {
  let current = initial;
  return {
    read: () => `${current}\n`,
    write(text) {
      const value = Number(text);
      if (!/^\d+$/.test(text) || value < min || value > max) return -EINVAL;
      current = value;
      return 0;
    },
    reset() {
      current = initial;
    },
  };
}
