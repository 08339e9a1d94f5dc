import { UsageError } from '../exit-code.js';
import { didYouMean } from '../nearest.js';
import { CONDITIONS, conditionSteps, type Debugged, debugged, mirrorChanges, vpnOf } from './conditions.js';
import { changeText } from './pages.js';
import { PRINTED, printed } from './print.js';
import type { RecordedRun } from './recorded-run.js';
import { stepLine, stepLines } from './step-text.js';

interface DebugCommand {
  readonly names: readonly string[];
  readonly usage: string;
  readonly about: string;
  /** Words that can follow. */
  readonly next?: readonly string[];
  run(session: DebugSession, argument: string): readonly string[];
}

/** Steps that `list` shows, before and behind. */
const LISTED = 5;

const COMMANDS: readonly DebugCommand[] = [
  {
    names: ['step', 's'],
    usage: 'step [N]',
    about: 'N steps on; one without',
    run: (session, n) => session.go(session.step + numberOf(n)),
  },
  {
    names: ['back', 'b'],
    usage: 'back [N]',
    about: 'N steps back',
    run: (session, n) => session.go(session.step - numberOf(n)),
  },
  {
    names: ['goto', 'g'],
    usage: 'goto N',
    about: 'to the machine as it was after step N; 0 is the beginning',
    run: (session, n) => session.go(n === 'end' ? session.recorded.recording.steps : numberOf(n, null)),
  },
  {
    names: ['continue', 'c'],
    usage: 'continue [CONDITION]',
    about: 'on to the next step after which it holds; to the end without',
    next: CONDITIONS.map(({ usage }) => usage),
    run: (session, condition) => session.search(condition, 1),
  },
  {
    names: ['reverse-continue', 'rc'],
    usage: 'reverse-continue [CONDITION]',
    about: 'back to the one before; to the beginning without',
    next: CONDITIONS.map(({ usage }) => usage),
    run: (session, condition) => session.search(condition, -1),
  },
  {
    names: ['print', 'p'],
    usage: 'print WHAT',
    about: `WHAT: ${PRINTED.join(', ')}`,
    next: PRINTED,
    run: (session, what) => printed(session.of, session.step, what),
  },
  {
    names: ['why', 'w'],
    usage: 'why entry N | folio N | mirror N | notifier | vmas',
    about: 'every change of it: step, task, kernel function',
    next: ['entry', 'folio', 'mirror', 'notifier', 'vmas'],
    run: (session, what) => session.why(what),
  },
  {
    names: ['list', 'l'],
    usage: 'list [N]',
    about: `the steps around this one, ${LISTED} unless N`,
    run: (session, n) => session.list(n === '' ? LISTED : numberOf(n)),
  },
  { names: ['info', 'i'], usage: 'info', about: 'what this run is', run: (session) => session.info() },
  { names: ['help', 'h'], usage: 'help', about: 'commands and conditions', run: () => helpLines() },
  {
    names: ['quit', 'q'],
    usage: 'quit',
    about: 'the end',
    run: (session) => {
      session.isOver = true;
      return [];
    },
  },
];

/** Going through a recording by commands. */
export class DebugSession {
  step = 0;
  isOver = false;
  readonly of: Debugged;
  private last = '';

  constructor(readonly recorded: RecordedRun) {
    this.of = debugged(recorded.recording);
  }

  /** One command; an empty line repeats the last. Throws UsageError. */
  run(line: string): readonly string[] {
    const text = line.trim().replace(/\s+/g, ' ') || this.last;
    if (text === '') return [];
    const [name = '', ...words] = text.split(' ');
    const command = COMMANDS.find(({ names }) => names.includes(name));
    const names = COMMANDS.map(({ names: [first] }) => first!);
    if (command === undefined)
      throw new UsageError(`there is no command '${name}'${didYouMean(name, names)}`, `they are: ${names.join(', ')}`);
    this.last = text;
    return command.run(this, words.join(' '));
  }

  /** For readline: what could stand there, and the part that it replaces. */
  complete(line: string): [string[], string] {
    const [, name, rest] = /^\s*(\S+)\s+(.*)$/.exec(line) ?? [];
    if (name === undefined) {
      const names = COMMANDS.map(({ names: [first] }) => first!);
      return [names.filter((one) => one.startsWith(line.trim())), line.trim()];
    }
    const next = COMMANDS.find(({ names }) => names.includes(name))?.next ?? [];
    return [next.filter((one) => one.startsWith(rest!)), rest!];
  }

  /** Stops at the ends, and says so. */
  go(step: number): readonly string[] {
    const { steps } = this.of.recording;
    const to = Math.min(Math.max(step, 0), steps);
    this.step = to;
    const edge =
      step > steps ? ['the run ends here', ...this.recorded.findings] : step < 0 ? ['the run begins here'] : [];
    return [...(to === 0 ? ['step 0, the beginning'] : stepLines(this.of, to)), ...edge];
  }

  search(condition: string, direction: 1 | -1): readonly string[] {
    const { steps } = this.of.recording;
    if (condition === '') return this.go(direction > 0 ? steps + 1 : -1);
    const found = conditionSteps(this.of, condition);
    const next = direction > 0 ? found.find((step) => step > this.step) : found.findLast((step) => step < this.step);
    if (next !== undefined) return this.go(next);
    return [
      `${condition}: not ${direction > 0 ? 'behind' : 'before'} step ${this.step}; it comes to be so at ${placesText(found)}`,
    ];
  }

  why(what: string): readonly string[] {
    const { recording, pages, letters } = this.of;
    const [kind = '', word = ''] = what.split(' ');
    const changes =
      kind === 'entry'
        ? recording.changesOfPage(pages.mm, vpnOf(pages, word))
        : kind === 'mirror'
          ? mirrorChanges(recording, vpnOf(pages, word))
          : kind === 'folio'
            ? recording.changesOfFolio(numberOf(word, null))
            : kind === 'notifier'
              ? recording.changesOfNotifier(pages.mm)
              : kind === 'vmas'
                ? recording.changesOfVmas(pages.mm)
                : null;
    if (changes === null)
      throw new UsageError(
        `'${what}' has no history${didYouMean(kind, ['entry', 'mirror', 'folio', 'notifier', 'vmas'])}`,
        'why entry N, mirror N, folio N, notifier or vmas',
      );
    if (changes.length === 0) return [`${what} never changes`];
    return changes.map((change) => {
      const by = change.path.slice(0, 4).join(' < ') || 'unknown';
      const at = change.step === this.step ? '*' : ' ';
      return `${at}step ${String(change.step).padStart(4)} ${letters.ofStep(change.step)} ${changeText(pages, change)}  by ${by}`;
    });
  }

  list(around: number): readonly string[] {
    const { recording } = this.of;
    const first = Math.max(1, this.step - around);
    const last = Math.min(recording.steps, this.step + around);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i).map(
      (step) => `${step === this.step ? '*' : ' '}${stepLine(this.of, step)}`,
    );
  }

  info(): readonly string[] {
    const { title, recording, outcome, findings } = this.recorded;
    const { pages, letters } = this.of;
    return [
      title,
      `${recording.steps} steps${recording.isCut ? ' and more, for which there was no room (--max-memory)' : ''}; outcome: ${outcome}`,
      ...findings.map((finding) => `found: ${finding}`),
      `tasks: ${letters.ids.map((id) => letters.withName(id)).join(', ')}`,
      `page 0 is 0x${(pages.first * 4096).toString(16)} of mm ${pages.mm}`,
    ];
  }
}

function helpLines(): string[] {
  const row = ({ usage, about }: { usage: string; about: string }): string => `  ${usage.padEnd(30)} ${about}`;
  return [
    'commands, each also by its first letter; an empty line repeats the last',
    ...COMMANDS.map(row),
    'conditions',
    ...CONDITIONS.map(row),
  ];
}

function numberOf(word: string, otherwise: number | null = 1): number {
  if (word === '' && otherwise !== null) return otherwise;
  if (/^\d+$/.test(word)) return Number(word);
  throw new UsageError(word === '' ? 'a number is missing' : `'${word}' is no number`, 'write a whole number');
}

const PLACES = 8;

function placesText(steps: readonly number[]): string {
  if (steps.length === 0) return 'no step';
  const more = steps.length > PLACES ? ` and ${steps.length - PLACES} more` : '';
  return `step ${steps.slice(0, PLACES).join(', ')}${more}`;
}
