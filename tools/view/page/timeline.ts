import { type ComponentChild, h } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Stretch, TaskLane } from '../lanes.js';

interface TimelineProps {
  readonly lanes: readonly TaskLane[];
  readonly steps: number;
  readonly step: number;
  /** Of the same run, to compare with. */
  readonly other: number | null;
  readonly go: (step: number) => void;
}

const LANE = 46;
const BAR = 11;
const DEPTHS = 3;
const LOCKS_AT = 3 + BAR * DEPTHS + 1;
const MIN_LABEL = 34;

interface Colours {
  readonly span: readonly string[];
  readonly text: string;
  readonly lock: string;
  readonly wait: string;
  readonly inject: string;
  readonly line: string;
  readonly run: string;
}

/** A lane a task: what it is in, what it waits for and holds, where it was chosen, and what was injected. A click goes there. */
export function Timeline({ lanes, steps, step, other, go }: TimelineProps): ComponentChild {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(1000);
  const [theme, setTheme] = useState(0);
  const [zoom, setZoom] = useState(1);
  const [hovered, setHovered] = useState('');
  const window = windowOf(steps, step, zoom);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    observer.observe(canvas.current!.parentElement!);
    const media = matchMedia('(prefers-color-scheme: dark)');
    const changed = (): void => setTheme((n) => n + 1);
    media.addEventListener('change', changed);
    return () => {
      observer.disconnect();
      media.removeEventListener('change', changed);
    };
  }, []);
  useEffect(() => draw(canvas.current!, lanes, { width, ...window }), [lanes, width, theme, window.first, window.end]);
  const xOf = (at: number): number => ((at - window.first) / (window.end - window.first)) * width;
  const stepAt = (event: MouseEvent): number =>
    clamp(Math.round(window.first + (event.offsetX / width) * (window.end - window.first)), 0, steps);
  const drag = (event: PointerEvent): void => {
    if (event.buttons === 1) go(stepAt(event));
    setHovered(textAt(lanes[Math.floor(event.offsetY / LANE)], stepAt(event)));
  };
  const cursor = (at: number, name: string): ComponentChild =>
    h('div', { class: name, style: { left: `${xOf(at)}px` } });
  return h(
    'div',
    { class: 'timeline' },
    h('div', { class: 'names' }, lanes.map(laneName)),
    h(
      'div',
      {
        class: 'lanes',
        title: hovered,
        onPointerDown: (event: PointerEvent) => go(stepAt(event)),
        onPointerMove: drag,
      },
      h('canvas', { ref: canvas, role: 'img', 'aria-label': `timeline of ${lanes.length} tasks over ${steps} steps` }),
      cursor(step, 'cursor'),
      other === null ? null : cursor(other, 'cursor other'),
    ),
    h(
      'div',
      { class: 'zoom' },
      h(
        'button',
        {
          type: 'button',
          title: 'nearer ( + )',
          class: 'nearer',
          onClick: () => setZoom(Math.min(zoom * 2, Math.max(1, steps / 20))),
        },
        '+',
      ),
      h(
        'button',
        { type: 'button', title: 'farther ( - )', class: 'farther', onClick: () => setZoom(Math.max(1, zoom / 2)) },
        '−',
      ),
    ),
  );
}

function laneName({ task, name }: TaskLane): ComponentChild {
  return h('div', { key: String(task), style: { height: `${LANE}px` }, title: `task ${task}` }, name);
}

/** Which steps are drawn: all, or a part of them with the present one in it, moved by quarters. */
function windowOf(steps: number, step: number, zoom: number): { first: number; end: number } {
  const size = Math.max(1, steps / zoom);
  if (zoom === 1) return { first: 0, end: Math.max(1, steps) };
  const quarter = size / 4;
  const first = clamp(Math.floor(step / quarter) * quarter - size / 2, 0, steps - size);
  return { first, end: first + size };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function textAt(lane: TaskLane | undefined, step: number): string {
  if (lane === undefined) return '';
  const here = ({ from, to }: Stretch): boolean => from < step && step <= to;
  const names = (of: readonly Stretch[], word = ''): string[] => of.filter(here).map(({ name }) => word + name);
  return [
    `step ${step}, ${lane.name}`,
    ...names(lane.spans),
    ...names(lane.waits),
    ...names(lane.locks, 'holds '),
  ].join('\n');
}

interface Frame {
  readonly width: number;
  readonly first: number;
  readonly end: number;
}

function draw(canvas: HTMLCanvasElement, lanes: readonly TaskLane[], frame: Frame): void {
  const { width } = frame;
  const ratio = devicePixelRatio;
  canvas.width = width * ratio;
  canvas.height = lanes.length * LANE * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${lanes.length * LANE}px`;
  const context = canvas.getContext('2d')!;
  context.scale(ratio, ratio);
  const colours = coloursOf(canvas);
  context.font = '10px system-ui, sans-serif';
  context.textBaseline = 'middle';
  for (const [i, lane] of lanes.entries()) {
    context.save();
    context.translate(0, i * LANE);
    drawLane(context, lane, { frame, colours });
    context.restore();
  }
}

/** As colours are in this theme: of a property itself one gets its words. */
function coloursOf(canvas: HTMLCanvasElement): Colours {
  const probe = canvas.parentElement!.appendChild(document.createElement('i'));
  const of = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    span: ['span-0', 'span-1', 'span-2'].map(of),
    ...{ text: of('text'), lock: of('lock'), wait: of('wait'), inject: of('inject'), line: of('line'), run: of('run') },
  };
  probe.remove();
  return colours;
}

interface Brush {
  readonly frame: Frame;
  readonly colours: Colours;
}

function drawLane(context: CanvasRenderingContext2D, lane: TaskLane, { frame, colours }: Brush): void {
  const xOf = (step: number): number => ((step - frame.first) / (frame.end - frame.first)) * frame.width;
  context.fillStyle = colours.line;
  context.fillRect(0, LANE - 1, frame.width, 1);
  const bars = (of: readonly Stretch[], paint: (bar: Stretch, x: number, width: number) => void): void => {
    const last: number[] = [];
    for (const bar of of) {
      if (bar.to <= frame.first || bar.from >= frame.end) continue;
      const x = Math.max(0, xOf(bar.from));
      const end = Math.min(frame.width, xOf(bar.to));
      // Of what shares a pixel, one is seen.
      if (end - x < 0.5 && last[bar.depth] === Math.floor(x)) continue;
      last[bar.depth] = Math.floor(x);
      paint(bar, x, Math.max(1, end - x));
    }
  };
  bars(lane.spans, ({ depth, name }, x, width) => {
    if (depth >= DEPTHS) return;
    context.fillStyle = colours.span[depth]!;
    context.fillRect(x, 3 + depth * BAR, width, BAR - 1);
    if (width >= MIN_LABEL) label(context, { text: name, x, width, y: 3 + depth * BAR + BAR / 2 }, colours.text);
  });
  bars(lane.waits, ({ name }, x, width) => {
    context.fillStyle = colours.wait;
    for (let at = x; at < x + width; at += 4) context.fillRect(at, 3, Math.min(2, x + width - at), BAR * DEPTHS);
    if (width >= MIN_LABEL * 2) label(context, { text: name, x, width, y: 3 + 2.5 * BAR }, colours.text);
  });
  bars(lane.locks, ({ depth }, x, width) => {
    context.fillStyle = colours.lock;
    context.fillRect(x, LOCKS_AT + Math.min(depth, 2) * 3, width, 2);
  });
  context.fillStyle = colours.run;
  marks(lane.began, xOf, (x) => context.fillRect(x, 0, 1, 3));
  marks(lane.chosen, xOf, (x) => triangle(context, { x, y: 0, down: true }));
  context.fillStyle = colours.inject;
  marks(lane.injected, xOf, (x) => triangle(context, { x, y: LANE - 2, down: false }));
}

/** Of marks that share a pixel, one. */
function marks(steps: readonly number[], xOf: (step: number) => number, paint: (x: number) => void): void {
  let last = -1;
  for (const step of steps) {
    const x = Math.floor(xOf(step - 1));
    if (x === last) continue;
    last = x;
    paint(x);
  }
}

function triangle(context: CanvasRenderingContext2D, { x, y, down }: { x: number; y: number; down: boolean }): void {
  const height = down ? 6 : -10;
  context.beginPath();
  context.moveTo(x - 4, y);
  context.lineTo(x + 4, y);
  context.lineTo(x, y + height);
  context.fill();
}

function label(
  context: CanvasRenderingContext2D,
  { text, x, width, y }: { text: string; x: number; width: number; y: number },
  colour: string,
): void {
  context.save();
  context.beginPath();
  context.rect(x, y - BAR, width - 2, BAR * 2);
  context.clip();
  context.fillStyle = colour;
  context.fillText(text, x + 3, y);
  context.restore();
}
