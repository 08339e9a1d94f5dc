import { EINVAL } from '../../../../uapi/errno.js';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE } from '../../../mm/frames/frames.js';
import { khugepagedWaitWork, khugepagedWake } from '../../../mm/huge/khugepaged-enter.js';
import type { KhugepagedKnobs } from '../../../mm/huge/khugepaged-state.js';
import type { Memory } from '../../../mm/memory.js';
import type { TextNode } from './proc-file.js';
import { choice, flag, keptChoice, numberNode } from './sysfs-node.js';
import { thpSizeNodes } from './thp-size-nodes.js';

const THP = '/sys/kernel/mm/transparent_hugepage';

/**
 * /sys/kernel/mm/transparent_hugepage. Deviates: tmpfs has huge pages by MADV_COLLAPSE alone, whatever stands in shmem_enabled, and there is no
 * compaction, so what concerns those is kept and shown only.
 */
export function thpNodes(memory: Memory): [string, TextNode][] {
  const nodes: Readonly<Record<string, TextNode>> = {
    enabled: choice(['always', 'madvise', 'never'], {
      get: () => memory.thpEnabled,
      set: (value) => {
        memory.thpEnabled = value;
        khugepagedWaitWork(memory);
      },
    }),
    use_zero_page: flag(
      () => Number(memory.usesHugeZero),
      (value) => {
        memory.usesHugeZero = value === 1;
      },
    ),
    hpage_pmd_size: { read: () => `${HPAGE_PMD_SIZE}\n` },
    defrag: keptChoice(['always', 'defer', 'defer+madvise', 'madvise', 'never'], 'madvise'),
    ...thpSizeNodes(memory),
    ...shmemNodes(),
    ...khugepagedNodes(memory),
  };
  return Object.entries(nodes).map(([name, node]) => [`${THP}/${name}`, node]);
}

/** `force` needs huge pages of 2 MiB to go by it. Linux: part of mm/shmem.c:shmem_enabled_store() */
function shmemNodes(): Record<string, TextNode> {
  const ofSize = keptChoice(['always', 'inherit', 'within_size', 'advise', 'never'], 'inherit');
  const ofAll = keptChoice(['always', 'within_size', 'advise', 'never', 'deny', 'force'], 'never');
  const { store } = ofAll;
  ofAll.store = (text) => (/^force\n?$/.test(text) && !ofSize.read().includes('[inherit]') ? -EINVAL : store!(text));
  return { shmem_enabled: ofAll, 'hugepages-2048kB/shmem_enabled': ofSize };
}

/** The knobs of khugepaged with their greatest values, and what it has done. */
function khugepagedNodes(memory: Memory): Record<string, TextNode> {
  const MAX_PTES = HPAGE_PMD_NR - 1;
  const MAX_UINT = 2 ** 32 - 1;
  const knob = (name: keyof KhugepagedKnobs, { min = 0, max = MAX_UINT, isSleep = false } = {}): TextNode =>
    numberNode(
      { min, max },
      () => memory.khugepaged.knobs[name],
      (value) => {
        memory.khugepaged.knobs[name] = value;
        if (isSleep) khugepagedWake(memory);
      },
    );
  return {
    'khugepaged/defrag': flag(
      () => memory.khugepaged.knobs.defrag,
      (value) => {
        memory.khugepaged.knobs.defrag = value;
      },
    ),
    'khugepaged/alloc_sleep_millisecs': knob('allocSleepMillisecs', { isSleep: true }),
    'khugepaged/scan_sleep_millisecs': knob('scanSleepMillisecs', { isSleep: true }),
    'khugepaged/pages_to_scan': knob('pagesToScan', { min: 1 }),
    'khugepaged/max_ptes_none': knob('maxPtesNone', { max: MAX_PTES }),
    'khugepaged/max_ptes_swap': knob('maxPtesSwap', { max: MAX_PTES }),
    'khugepaged/max_ptes_shared': knob('maxPtesShared', { max: MAX_PTES }),
    'khugepaged/full_scans': { read: () => `${memory.khugepaged.fullScans}\n` },
    'khugepaged/pages_collapsed': { read: () => `${memory.khugepaged.pagesCollapsed}\n` },
  };
}
