import { type ComponentChild, h } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { MachineView } from '../../../driver/recording/machine-view.js';
import { LEGEND } from '../cell-sign.js';
import { Diff } from '../diff.js';
import type { PageData } from '../page-data.js';
import { Events } from './events.js';
import { FindingsList } from './findings-list.js';
import { useKeys } from './keys.js';
import { type CellPlace, Memory } from './memory-grid.js';
import { type OpenRun, openRun } from './open-run.js';
import { Details, Folios, Tasks } from './panels.js';
import { Timeline } from './timeline.js';

const VIEW_PAGES = 16_384;
const PLAY_MS = 150;

/** What the page is compared with: a step of a run, or the same step as the one that is shown. */
interface Other {
  readonly run: OpenRun;
  readonly step: number | 'same';
}

/** All of the page, with one run open. */
export function App({ data, first }: { data: PageData; first: OpenRun | null }): ComponentChild {
  const [run, setRun] = useState(first);
  const choose = (index: number): void => {
    void openRun(data.runs[index]!, index).then(setRun);
  };
  return h(
    'div',
    { class: 'app' },
    h('header', null, h('h1', null, data.title), h('span', { class: 'version' }, `dmirror ${data.version}`)),
    data.findings.length > 0 ? h(FindingsList, { findings: data.findings, open: run?.index ?? null, choose }) : null,
    run === null
      ? h('p', { class: 'nothing' }, 'Choose a finding to see its run.')
      : h(RunPage, { key: String(run.index), run, data, choose }),
  );
}

function RunPage({ run, data, choose }: Pick<HeadingProps, 'run' | 'data' | 'choose'>): ComponentChild {
  const { recording } = run;
  const [step, setStep] = useState(() => stepOfHash(run));
  const [other, setOther] = useState<Other | null>(null);
  const [selected, setSelected] = useState<CellPlace | null>(null);
  const [query, setQuery] = useState('');
  const [isPlaying, setPlaying] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const go = (to: number): void => setStep(Math.min(recording.steps, Math.max(0, Math.round(to) || 0)));
  usePlay({ isPlaying, step, steps: recording.steps, go, stop: () => setPlaying(false) });
  useEffect(() => history.replaceState(null, '', `#run=${run.index}&step=${step}`), [step]);
  const compareHere = (): void => setOther(other === null ? { run, step } : null);
  useKeys({
    step,
    steps: recording.steps,
    go,
    input,
    togglePlay: () => setPlaying(!isPlaying),
    compareHere,
    deselect: () => setSelected(null),
  });
  const view = useMemo(() => recording.at(step).view({ pages: VIEW_PAGES }), [recording, step]);
  const diff = useMemo(() => diffOf(other, run, step), [other, run, step]);
  const shown = useMemo(() => (step === 0 ? null : recording.step(step)), [recording, step]);
  const rows = useMemo(() => rowsOfBoth(run, other), [run, other]);
  const headOf = (pfn: number): number => recording.at(step).folio(pfn, []).pfn;
  const otherStep = other === null || other.step === 'same' ? step : other.step;
  return h(
    'main',
    null,
    h(Heading, { run, data, choose, other, setOther, diff, view, step }),
    h(Timeline, { lanes: run.lanes, steps: recording.steps, step, other: other?.run === run ? otherStep : null, go }),
    h(Scrubber, {
      step,
      steps: recording.steps,
      isPlaying,
      go,
      toggle: () => setPlaying(!isPlaying),
      doing: shown === null ? 'before the first step' : stepText(shown),
    }),
    h(
      'div',
      { class: 'panels' },
      h(
        'section',
        { class: 'panel grid' },
        h(Legend, {}),
        h(Memory, { view, ...rows, diff, selected, headOf, onSelect: setSelected }),
      ),
      h(
        'div',
        { class: 'side' },
        h(Tasks, { view, step: shown, diff }),
        h(Folios, { folios: view.folios, names: recording.names, diff }),
      ),
      h(
        'div',
        { class: 'side' },
        h(Details, { recording, step: shown, selected, now: step, go }),
        h(Events, { run, step, query, input, onQuery: setQuery, go }),
      ),
    ),
  );
}

interface PlayProps {
  readonly isPlaying: boolean;
  readonly step: number;
  readonly steps: number;
  readonly go: (step: number) => void;
  readonly stop: () => void;
}

/** A step after the other until the last. */
function usePlay({ isPlaying, step, steps, go, stop }: PlayProps): void {
  useEffect(() => {
    if (!isPlaying) return undefined;
    if (step >= steps) return stop();
    const timer = setTimeout(() => go(step + 1), PLAY_MS);
    return () => clearTimeout(timer);
  }, [isPlaying, step]);
}

function rowsOfBoth(run: OpenRun, other: Other | null): Pick<OpenRun, 'rows' | 'rowsLeftOut'> {
  const { rows, rowsLeftOut } = run;
  return { rows: other === null || other.run === run ? rows : unionOf(rows, other.run.rows), rowsLeftOut };
}

function stepText({ tick, task, doing, path, ends }: ReturnType<OpenRun['recording']['step']>): string {
  const where = path.slice(0, 4).join(' ‹ ');
  return `${tick} µs · ${task}${doing === '' ? '' : ` in ${doing}`} · ${where} · then ${ends}`;
}

/** That of the address, which a link may say; else where the cause of the run's findings is seen. */
function stepOfHash({ index, recording, step: first }: OpenRun): number {
  const said = new URLSearchParams(location.hash.slice(1));
  const step = Number(said.get('step') ?? first);
  const isMeant = Number(said.get('run') ?? 0) === index && Number.isInteger(step) && step >= 0;
  return isMeant && step <= recording.steps ? step : first;
}

function diffOf(other: Other | null, run: OpenRun, step: number): Diff | null {
  if (other === null) return null;
  const { recording } = other.run;
  const at = Math.min(recording.steps, other.step === 'same' ? step : other.step);
  return new Diff(recording.at(at).view({ pages: VIEW_PAGES }), other.run === run);
}

function unionOf(a: OpenRun['rows'], b: OpenRun['rows']): OpenRun['rows'] {
  const all = new Map<number, readonly number[]>();
  for (const mm of new Set([...a.keys(), ...b.keys()]))
    all.set(
      mm,
      [...new Set([...(a.get(mm) ?? []), ...(b.get(mm) ?? [])])].sort((x, y) => x - y),
    );
  return all;
}

interface HeadingProps {
  readonly run: OpenRun;
  readonly data: PageData;
  readonly choose: (index: number) => void;
  readonly other: Other | null;
  readonly setOther: (other: Other | null) => void;
  readonly diff: Diff | null;
  readonly view: MachineView;
  readonly step: number;
}

function Heading({ run, data, choose, other, setOther, diff, view, step }: HeadingProps): ComponentChild {
  const compare = (value: string): void => {
    if (value === '') setOther(null);
    else if (Number(value) === run.index) setOther({ run, step });
    else void openRun(data.runs[Number(value)]!, Number(value)).then((of) => setOther({ run: of, step: 'same' }));
  };
  const runs = data.runs.map(({ title }, i) => h('option', { key: String(i), value: i }, `${i + 1}: ${title}`));
  const others = data.runs.map(({ title }, i) =>
    h('option', { key: String(i), value: i }, i === run.index ? 'a step of this run' : `${i + 1}: ${title}`),
  );
  const found = diff?.count(view);
  return h(
    'div',
    { class: 'heading' },
    data.runs.length > 1
      ? h(
          'label',
          null,
          'run ',
          h(
            'select',
            { 'aria-label': 'run', value: run.index, onChange: (event: Event) => choose(Number(typedIn(event))) },
            runs,
          ),
        )
      : run.title === data.title
        ? null
        : h('span', null, run.title),
    h('span', { class: 'outcome', title: run.outcome }, `came to: ${run.outcome}`),
    run.findings.length === 0
      ? null
      : h('span', { class: 'finding', title: run.findings.join('\n') }, `⚠ ${run.findings[0]}`),
    run.cause === null ? null : h('span', { class: 'cause', title: run.cause }, `cause: ${run.cause}`),
    run.cut === null ? null : h('span', { class: 'cut' }, run.cut),
    view.isCut ? h('span', { class: 'cut' }, `cut: ${VIEW_PAGES} pages of an address space are looked at`) : null,
    h(
      'label',
      { class: 'compare' },
      'compare with ',
      h(
        'select',
        {
          'aria-label': 'compare with',
          value: other?.run.index ?? '',
          onChange: (event: Event) => compare(typedIn(event)),
        },
        h('option', { value: '' }, 'nothing ( c )'),
        others,
      ),
    ),
    other === null ? null : otherStepField(other, { run, step, setOther }),
    found === undefined
      ? null
      : h(
          'output',
          { class: 'differences' },
          `≠ ${found.pages} entries, ${found.mirrors} mirror entries, ${found.folios} folios`,
        ),
  );
}

/** Which step of the other run is meant. */
function otherStepField(
  other: Other,
  { run, step, setOther }: Pick<HeadingProps, 'run' | 'step' | 'setOther'>,
): ComponentChild {
  const isFixed = other.step !== 'same';
  const same = {
    type: 'button',
    'aria-pressed': !isFixed,
    onClick: () => setOther({ ...other, step: isFixed ? 'same' : step }),
  } as const;
  return h(
    'label',
    null,
    'its step ',
    h('input', {
      type: 'number',
      'aria-label': 'step to compare with',
      min: 0,
      max: other.run.recording.steps,
      value: isFixed ? other.step : step,
      onInput: (event: Event) => setOther({ ...other, step: Number(typedIn(event)) }),
    }),
    other.run === run ? null : h('button', same, 'same step'),
  );
}

function typedIn(event: Event): string {
  return (event.target as HTMLInputElement).value;
}

interface ScrubberProps {
  readonly step: number;
  readonly steps: number;
  readonly isPlaying: boolean;
  readonly doing: string;
  readonly go: (step: number) => void;
  readonly toggle: () => void;
}

function Scrubber({ step, steps, isPlaying, doing, go, toggle }: ScrubberProps): ComponentChild {
  const button = (text: string, title: string, onClick: () => void): ComponentChild =>
    h('button', { type: 'button', title, 'aria-label': title, onClick }, text);
  return h(
    'div',
    { class: 'scrubber' },
    button('⇤', 'first step (Home)', () => go(0)),
    button('◀', 'step back (←)', () => go(step - 1)),
    button(isPlaying ? 'pause' : 'play', 'play (space)', toggle),
    button('▶', 'step on (→)', () => go(step + 1)),
    button('⇥', 'last step (End)', () => go(steps)),
    h('input', {
      type: 'range',
      class: 'range',
      'aria-label': 'step',
      min: 0,
      max: steps,
      value: step,
      onInput: (event: Event) => go(Number(typedIn(event))),
    }),
    h(
      'label',
      null,
      h('input', {
        type: 'number',
        'aria-label': 'step number',
        min: 0,
        max: steps,
        value: step,
        onChange: (event: Event) => go(Number(typedIn(event))),
      }),
      ` of ${steps}`,
    ),
    h('span', { class: 'doing', title: doing }, doing),
  );
}

function Legend(_: object): ComponentChild {
  return h(
    'ul',
    { class: 'legend', 'aria-label': 'what the letters mean' },
    LEGEND.map(([sign, kind, meaning]) =>
      h('li', { key: kind, title: meaning }, h('span', { class: `cell ${kind}` }, sign), ` ${meaning}`),
    ),
    h('li', null, h('span', { class: 'cell mirrored' }, 'w'), ' a mirror may read, write or atomic'),
    h('li', null, h('span', { class: 'cell mirrored wrong' }, 'w!'), ' not as the page table'),
  );
}
