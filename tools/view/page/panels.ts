import { type ComponentChild, h } from 'preact';
import type { MachineAt } from '../../../driver/recording/machine-at.js';
import type { ChangeView, FolioView, MachineView, StepView } from '../../../driver/recording/machine-view.js';
import type { Recording } from '../../../driver/recording/recording.js';
import { type Diff, pageText } from '../diff.js';
import { address, type CellPlace } from './memory-grid.js';
import { VirtualList } from './virtual-list.js';

export function Tasks({
  view,
  step,
  diff,
}: {
  view: MachineView;
  step: StepView | null;
  diff: Diff | null;
}): ComponentChild {
  const rows = view.tasks.map((task) => {
    const { id, name, state, doing, holds, waitsFor, ownedBy, stack } = task;
    const differs = diff?.task(task) ?? null;
    const wait = waitsFor === null ? '' : `${waitsFor}${ownedBy === null ? '' : ` of ${ownedBy}`}`;
    return h(
      'tr',
      {
        key: String(id),
        class: `${step?.taskId === id ? 'now' : ''}${differs === null ? '' : ' differs'}`,
        title: differs === null ? undefined : `other: ${differs}`,
      },
      h('td', null, step?.taskId === id ? '▶ ' : '', name),
      h('td', null, state, doing === '' ? '' : ` in ${doing}`),
      h(
        'td',
        null,
        holds.length > 0 ? h('div', null, `holds ${holds.join(', ')}`) : null,
        wait === '' ? null : h('div', { class: 'waiting' }, `waits for ${wait}`),
      ),
      h('td', { class: 'stack' }, stack.join(' ‹ ')),
    );
  });
  return h(
    'section',
    { class: 'panel tasks', tabIndex: 0, 'aria-label': 'tasks' },
    h(
      'table',
      null,
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          ['task', 'state', 'locks', 'functions, innermost first'].map((name) => h('th', { key: name }, name)),
        ),
      ),
      h('tbody', null, rows),
    ),
  );
}

interface FoliosProps {
  readonly folios: readonly FolioView[];
  readonly names: ReadonlyMap<number, string>;
  readonly diff: Diff | null;
}

/** Names of flags that every page in use has say nothing. */
export function Folios({ folios, names, diff }: FoliosProps): ComponentChild {
  const item = (i: number): ComponentChild => {
    const folio = folios[i]!;
    const { pfn, order, refcount, mapcount, flags, lockedBy, device, mappers } = folio;
    const differs = diff?.folio(folio) ?? null;
    const who = mappers.map(({ mm, vpn }) => `${mm}:${address(vpn)}`).join(' ');
    const lock = lockedBy === null ? '' : `locked by ${names.get(lockedBy) ?? `task ${lockedBy}`}`;
    const cells = [
      `${pfn}${order > 0 ? ` (${2 ** order} pages)` : ''}${device === null ? '' : ` dev${device}`}`,
      String(refcount),
      String(mapcount),
      [lock, ...flags.filter((flag) => flag !== 'locked')].filter(Boolean).join(' '),
      who,
    ];
    return h(
      'div',
      {
        key: String(pfn),
        class: `folio${differs === null ? '' : ' differs'}`,
        'data-folio': pfn,
        title: differs === null ? who : `other: ${differs}`,
      },
      cells.map((text, n) => h('span', { key: String(n) }, text)),
    );
  };
  return h(
    'section',
    { class: 'panel folios' },
    h(
      'div',
      { class: 'folio head' },
      ['folio', 'refs', 'maps', 'lock, flags', 'mapped by'].map((name) => h('span', { key: name }, name)),
    ),
    h(VirtualList, { count: folios.length, height: 20, label: 'folios', item }),
  );
}

interface DetailsProps {
  readonly recording: Recording;
  readonly step: StepView | null;
  readonly selected: CellPlace | null;
  /** The step that is shown. */
  readonly now: number;
  readonly go: (step: number) => void;
}

/** Changes of a step, or what is selected and every change of it. */
export function Details({ recording, step, selected, now: shown, go }: DetailsProps): ComponentChild {
  const changes = selected === null ? (step?.changes ?? []) : changesOf(recording, selected);
  const title =
    selected === null
      ? `changes of this step (${changes.length})`
      : `${placeText(selected)}: ${valueText(recording.at(shown), selected)} · every change (${changes.length})`;
  const item = (i: number): ComponentChild => {
    const { step: at, task, what, old, new: now, path } = changes[i]!;
    const text =
      selected === null ? `${what}: ${old} → ${now}` : `${at} ${task}: ${what.replace(/ .*/, '')} ${old} → ${now}`;
    return h(
      'button',
      {
        key: String(i),
        type: 'button',
        class: `change${at === step?.step ? ' now' : ''}`,
        title: path.join(' ‹ '),
        onClick: () => go(at),
      },
      h('span', null, text),
      h('small', null, path.slice(0, 3).join(' ‹ ')),
    );
  };
  return h(
    'section',
    { class: 'panel details' },
    h('h3', { 'aria-live': 'polite' }, title),
    h(VirtualList, { count: changes.length, height: 20, label: title, item }),
  );
}

function changesOf(recording: Recording, { mm, vpn, file }: CellPlace): ChangeView[] {
  return file === null ? recording.changesOfPage(mm, vpn) : recording.changesOfMirror(file, vpn);
}

function valueText(at: MachineAt, { mm, vpn, file }: CellPlace): string {
  if (file === null) return pageText(at.page(mm, vpn));
  const [page] = at.mirror(file, vpn, vpn + 1);
  return page === undefined ? 'none' : `${page.access} ${page.pfn}`;
}

function placeText({ mm, vpn, file }: CellPlace): string {
  return file === null ? `entry ${address(vpn)} of mm ${mm}` : `mirror ${address(vpn)} of file ${file}`;
}
