import { type ComponentChild, h, type RefObject } from 'preact';
import { useMemo } from 'preact/hooks';
import { firstWhere } from '../../../driver/recording/first-where.js';
import type { OpenRun } from './open-run.js';
import { VirtualList } from './virtual-list.js';

interface EventsProps {
  readonly run: OpenRun;
  readonly step: number;
  readonly query: string;
  readonly input: RefObject<HTMLInputElement | null>;
  readonly onQuery: (query: string) => void;
  readonly go: (step: number) => void;
}

/** Places of the events with all words of the query in their lines. */
function matchesOf({ eventWords }: OpenRun, query: string): Int32Array | null {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return null;
  const found: number[] = [];
  for (let i = 0; i < eventWords.length; i++) if (words.every((word) => eventWords[i]!.includes(word))) found.push(i);
  return Int32Array.from(found);
}

/** The first event that is of a later step than `step`, or of that one: all in order. */
function firstAfter({ eventSteps }: OpenRun, matches: Int32Array | null, step: number): number {
  return firstWhere(0, matches?.length ?? eventSteps.length, (i) => eventSteps[matches?.[i] ?? i]! > step);
}

export function Events({ run, step, query, input, onQuery, go }: EventsProps): ComponentChild {
  const matches = useMemo(() => matchesOf(run, query), [run, query]);
  const count = matches?.length ?? run.eventSteps.length;
  const now = firstAfter(run, matches, step) - 1;
  const placeOf = (i: number): number => matches?.[i] ?? i;
  const goTo = (i: number): void => {
    if (i >= 0 && i < count) go(run.eventSteps[placeOf(i)]!);
  };
  const next = (): void => goTo(firstAfter(run, matches, step));
  const before = (): void => goTo(firstAfter(run, matches, step - 1) - 1);
  const item = (i: number): ComponentChild => {
    const place = placeOf(i);
    const of = run.eventSteps[place]!;
    return h(
      'button',
      {
        key: String(place),
        type: 'button',
        class: `event${of === step ? ' now' : ''}${of > step ? ' later' : ''}`,
        onClick: () => go(of),
        title: run.eventLines[place],
      },
      h('b', null, of),
      run.eventLines[place],
    );
  };
  return h(
    'section',
    { class: 'panel events' },
    h(
      'div',
      { class: 'search' },
      h('input', {
        ref: input,
        type: 'search',
        placeholder: 'search events  ( / )',
        'aria-label': 'search events',
        value: query,
        onInput: (event: Event) => onQuery((event.target as HTMLInputElement).value),
        onKeyDown: (event: KeyboardEvent) => {
          if (event.key === 'Enter') (event.shiftKey ? before : next)();
        },
      }),
      h('button', { type: 'button', onClick: before, title: 'previous match' }, '↑'),
      h('button', { type: 'button', onClick: next, title: 'next match' }, '↓'),
      h('span', { class: 'count' }, matches === null ? `${count} events` : `${count} of ${run.eventSteps.length}`),
    ),
    h(VirtualList, { count, height: 20, label: 'events', at: now, item }),
  );
}
