import { HPAGE_PMD_ORDER, PAGE_SIZE, PG } from '../../../mm/frames/frames.js';
import { khugepagedWaitWork } from '../../../mm/huge/khugepaged-enter.js';
import { anonFoliosOf, MTHP_STATS } from '../../../mm/huge/mthp-stats.js';
import { THP_ORDERS_ALL_ANON, type ThpOrders } from '../../../mm/huge/thp-policy.js';
import type { Memory } from '../../../mm/memory.js';
import type { TextNode } from './proc-file.js';
import { choice } from './sysfs-node.js';

/** What can't happen here: there are no groups to charge, swap takes pages only, and tmpfs has no large folios. */
const NEVER_COUNTED = [
  'anon_fault_fallback_charge',
  'swpout',
  'shmem_alloc',
  'shmem_fallback',
  'shmem_fallback_charge',
];

/** A folder for each size that anonymous memory can have. Deviates: the sizes of tmpfs have none. Linux: part of mm/huge_memory.c:thpsize_create() */
export function thpSizeNodes(memory: Memory): Record<string, TextNode> {
  const nodes: Record<string, TextNode> = {};
  for (let order = 0; order <= HPAGE_PMD_ORDER; order++) {
    if (!(THP_ORDERS_ALL_ANON & (1 << order))) continue;
    const folder = `hugepages-${(PAGE_SIZE << order) / 1024}kB`;
    nodes[`${folder}/enabled`] = anonEnabled(memory, 1 << order);
    const stat = (name: string, read: () => number): void => {
      nodes[`${folder}/stats/${name}`] = { read: () => `${read()}\n` };
    };
    for (const name of NEVER_COUNTED) stat(name, () => 0);
    for (const name of MTHP_STATS) stat(name, () => memory.mthpStats.sumMthpStat(order, name));
    stat('nr_anon', () => anonFoliosOf(memory, order));
    stat('nr_anon_partially_mapped', () => anonFoliosOf(memory, order, PG.partiallyMapped));
  }
  return nodes;
}

const ENABLED = ['always', 'inherit', 'madvise', 'never'] as const;

/** Linux: part of mm/huge_memory.c:anon_enabled_show() and anon_enabled_store() */
function anonEnabled(memory: Memory, bit: number): TextNode {
  return choice(ENABLED, {
    get: () => ENABLED.find((word) => word !== 'never' && memory.thpOrders[word] & bit) ?? 'never',
    set: (value) => {
      const of = (word: keyof ThpOrders): number => (memory.thpOrders[word] & ~bit) | (word === value ? bit : 0);
      memory.thpOrders = { always: of('always'), madvise: of('madvise'), inherit: of('inherit') };
      khugepagedWaitWork(memory);
    },
  });
}
