import type { StepView } from '../../driver/recording/index.js';
import { operandText } from '../../driver/trace/trace-text.js';
import type { Debugged } from './conditions.js';
import { changeTexts } from './pages.js';

/** Events that say what a step is for; the others stand in its changes. */
const SHOWN: ReadonlySet<string> = new Set([
  'ioctl',
  'syscall',
  'notifier',
  'inject',
  'fault',
  'lock',
  'unlock',
  'migrate',
  'page',
]);

/** The step on one line: number, task, function, what it does most. */
export function stepLine(of: Debugged, step: number): string {
  const view = of.recording.step(step);
  const does = whatItDoes(of, view);
  const more = does.length > 1 ? ` (and ${does.length - 1} more)` : '';
  return `${head(of, view)}${does.length === 0 ? '' : `  ${does[0]}${more}`}`;
}

/** All of it. */
export function stepLines(of: Debugged, step: number): string[] {
  const view = of.recording.step(step);
  const call = view.doing === '' ? '' : `, in ${view.doing}`;
  return [
    `${head(of, view)}${call}`,
    ...(view.path.length > 1 ? [`  in ${view.path.join(' < ')}`] : []),
    ...whatItDoes(of, view).map((text) => `  ${text}`),
    `  ${endText(view)}`,
  ];
}

function endText({ ends }: StepView): string {
  if (ends === 'returns' || ends === 'breaks' || ends.startsWith('waits') || ends === 'sleeps') return ends;
  return `stops at ${ends}`;
}

function head({ letters }: Debugged, { step, taskId, path }: StepView): string {
  return `step ${String(step).padStart(4)} ${letters.of(taskId)} ${path[0] ?? ''}`.trimEnd();
}

/** Changes first. */
export function whatItDoes({ pages, letters }: Debugged, { changes, events, ends }: StepView): string[] {
  const named = (text: string): string =>
    text.replace(/\b\d+\/\d+\b/g, (name) => {
      const id = letters.find(name);
      return id === null ? name : letters.of(id);
    });
  return [
    ...changeTexts(pages, changes).map(named),
    ...events.filter(({ kind }) => SHOWN.has(kind)).map((event) => `${event.kind} ${operandText(event)}`),
    ...(ends.startsWith('waits') || ends === 'breaks' ? [ends] : []),
  ];
}
