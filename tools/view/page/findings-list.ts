import { type ComponentChild, h } from 'preact';
import type { PageFinding } from '../page-data.js';
import { VirtualList } from './virtual-list.js';

interface FindingsListProps {
  readonly findings: readonly PageFinding[];
  readonly open: number | null;
  readonly choose: (run: number) => void;
}

/** What a report has found, each with its run. */
export function FindingsList({ findings, open, choose }: FindingsListProps): ComponentChild {
  const item = (i: number): ComponentChild => {
    const { name, text, run } = findings[i]!;
    const isThere = typeof run === 'number';
    return h(
      'button',
      {
        key: String(i),
        type: 'button',
        class: `reported${run === open ? ' now' : ''}`,
        disabled: !isThere,
        title: isThere ? text : `${text}\n${run}`,
        onClick: () => isThere && choose(run),
      },
      h('b', null, name),
      h('span', null, text),
      isThere ? null : h('i', null, run),
    );
  };
  return h(
    'section',
    { class: 'findings', style: { height: `${Math.min(findings.length, 6) * 24 + 26}px` } },
    h('h2', null, findings.length === 1 ? '1 finding' : `${findings.length} findings`),
    h(VirtualList, { count: findings.length, height: 24, label: 'findings', item }),
  );
}
