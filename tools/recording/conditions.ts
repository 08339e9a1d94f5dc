import { NOTIFIER_EVENTS } from '../../driver/mm/notifier.js';
import type { ChangeView, MachineAt, Recording } from '../../driver/recording/index.js';
import { TRACE_KINDS } from '../../driver/trace/trace-text.js';
import { UsageError } from '../exit-code.js';
import { didYouMean } from '../nearest.js';
import { type Pages, pagesOf } from './pages.js';
import { TaskLetters } from './task-letters.js';

export interface Debugged {
  readonly recording: Recording;
  readonly pages: Pages;
  readonly letters: TaskLetters;
}

export function debugged(recording: Recording): Debugged {
  return { recording, pages: pagesOf(recording), letters: new TaskLetters(recording) };
}

/** What one can wait for: how it is written, and the steps after which it is so. */
interface ConditionKind {
  readonly usage: string;
  readonly about: string;
  readonly pattern: RegExp;
  steps(of: Debugged, words: Readonly<Record<string, string>>): number[];
}

const KINDS: readonly ConditionKind[] = [
  {
    usage: 'entry N changes',
    about: 'the page table entry of page N, or of an address, gets another value',
    pattern: /^entry (?<page>\S+) changes$/,
    steps: ({ recording, pages }, { page }) => stepsOf(recording.changesOfPage(pages.mm, vpnOf(pages, page!))),
  },
  {
    usage: 'mirror N changes',
    about: "a device's mirror of page N does",
    pattern: /^mirror (?<page>\S+) changes$/,
    steps: ({ recording, pages }, { page }) => stepsOf(mirrorChanges(recording, vpnOf(pages, page!))),
  },
  {
    usage: 'lock folio N',
    about: 'somebody takes the lock of the folio with that pfn',
    pattern: /^lock folio (?<pfn>\d+)$/,
    steps: ({ recording }, { pfn }) => stepsOf(locksOfFolio(recording, pfnOf(recording.at(0), pfn!))),
  },
  {
    usage: 'lock NAME',
    about: 'somebody takes a lock of that name, as mmap_lock',
    pattern: /^lock (?!folio$)(?<name>\w+)$/,
    steps: (of, { name }) => eventSteps(of, (event) => event.kind === 'lock' && event.lock === name, name!),
  },
  {
    usage: 'event NAME',
    about: 'an invalidation with that reason (CLEAR), or an event of that kind (inject, fault, ioctl)',
    pattern: /^event (?<name>\w+)$/,
    steps: (of, { name }) =>
      eventSteps(of, (event) => event.kind === name || (event.kind === 'notifier' && event.event === name), name!),
  },
  {
    usage: 'refcount N > 2',
    about:
      'the references of folio N, or its mapcount, come to such a value, or have it from the first step on: <, <=, =, !=, >=, >',
    pattern: /^(?<count>refcount|mapcount) (?<pfn>\d+) (?<relation><=|>=|!=|<|>|==?) (?<value>-?\d+)$/,
    steps: ({ recording }, words) => countSteps(recording, words),
  },
  {
    usage: 'task B runs',
    about: 'a step of that task',
    pattern: /^task (?<task>\S+) runs$/,
    steps: ({ recording, letters }, { task }) => {
      const id = letters.find(task!);
      const known = letters.ids.map((one) => letters.withName(one)).join(', ');
      if (id === null) throw new UsageError(`there is no task '${task}'`, `there are: ${known}`);
      return allSteps(recording).filter((step) => recording.taskId(step) === id);
    },
  },
  {
    usage: 'function NAME',
    about: 'a step in that kernel function, as migrateVmaPages, or in which it changes something',
    pattern: /^function (?<name>\w+)$/,
    steps: ({ recording }, { name }) => {
      const found = recording.stepsIn(name!);
      if (found.length > 0) return found;
      const near = didYouMean(name!, [...new Set(recording.written.paths.flat())]);
      throw new UsageError(`nothing is in a function '${name}'${near}`, '`list` and `why` show functions');
    },
  },
];

export const CONDITIONS: readonly Pick<ConditionKind, 'usage' | 'about'>[] = KINDS;

/** The steps after which a condition came to hold, in order. Throws UsageError, which names the nearest. */
export function conditionSteps(of: Debugged, text: string): number[] {
  for (const kind of KINDS) {
    const found = kind.pattern.exec(text);
    if (found !== null) return kind.steps(of, found.groups ?? {});
  }
  const [word = ''] = text.split(' ');
  const same = USAGES.filter((usage) => usage.startsWith(`${word} `));
  const near = didYouMean(withoutNumbers(text), USAGES.map(withoutNumbers)) || didYouMean(word, FIRST_WORDS);
  throw new UsageError(
    `'${text}' ${same.length > 0 ? 'is not complete, or has too much' : 'is no condition'}${near}`,
    `they are: ${(same.length > 0 ? same : USAGES).join('; ')}`,
  );
}

const USAGES = [...KINDS.map(({ usage }) => usage), 'mapcount N = 0'];
const FIRST_WORDS = USAGES.map((usage) => usage.split(' ')[0]!);

function withoutNumbers(text: string): string {
  return text.replace(/\b(0x[\da-f]+|\d+)\b/g, 'N');
}

/** The page that a word of a user means: its number in the mapping, or an address. Throws UsageError. */
export function vpnOf({ first, end }: Pages, word: string): number {
  if (/^0x[\da-f]+$/i.test(word)) return Math.floor(Number(word) / 4096);
  if (/^\d+$/.test(word) && first + Number(word) < end) return first + Number(word);
  throw new UsageError(`there is no page '${word}'`, `pages are 0 to ${end - first - 1}, or addresses as 0x10000`);
}

/** Of a page, in the mirror of whatever device file. */
export function mirrorChanges(recording: Recording, vpn: number): ChangeView[] {
  const changes = recording.filesSeen().flatMap((file) => recording.changesOfMirror(file, vpn));
  return changes.sort((a, b) => a.step - b.step);
}

/** The page of the machine that a word of a user means. Throws UsageError. */
export function pfnOf(at: MachineAt, word: string): number {
  const isNumber = /^\d+$/.test(word);
  if (isNumber && at.hasPage(Number(word))) return Number(word);
  const mistake = isNumber ? `the machine has no page with pfn ${word}` : `'${word}' is no pfn`;
  throw new UsageError(mistake, '`print page table` shows pfns');
}

/** When somebody takes the lock of a folio. */
export function locksOfFolio(recording: Recording, pfn: number): ChangeView[] {
  return recording.changesOfFolio(pfn).filter(({ what, old }) => what.startsWith('lock') && old === 'free');
}

function countSteps(recording: Recording, words: Readonly<Record<string, string>>): number[] {
  const { count, relation, value } = words;
  const pfn = pfnOf(recording.at(0), words.pfn!);
  const holds = (number: number): boolean => RELATIONS[relation!]!(number, Number(value));
  const comes = recording
    .changesOfFolio(pfn)
    .filter((change) => change.what.startsWith(count!) && holds(Number(change.new)) && !holds(Number(change.old)));
  const first = recording.at(Math.min(1, recording.steps)).folio(pfn, []);
  const isSoAtFirst = holds(first[count as 'refcount' | 'mapcount']);
  return [...new Set([...(isSoAtFirst ? [1] : []), ...stepsOf(comes)])];
}

const RELATIONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>=': (a, b) => a >= b,
  '>': (a, b) => a > b,
};

function eventSteps(
  { recording }: Debugged,
  isIt: (event: ReturnType<Recording['events']>[number]) => boolean,
  name: string,
): number[] {
  const found = allSteps(recording).filter((step) => recording.events(step).some(isIt));
  if (found.length > 0) return found;
  const known = new Set<string>();
  for (const step of allSteps(recording))
    for (const event of recording.events(step)) {
      known.add(event.kind);
      if (event.kind === 'notifier') known.add(event.event);
      if (event.kind === 'lock') known.add(event.lock);
    }
  if (known.has(name) || NAMES.has(name)) return [];
  throw new UsageError(
    `nothing is named '${name}'${didYouMean(name, [...known, ...NAMES])}`,
    `there is: ${[...known].join(', ')}`,
  );
}

/** What may be waited for in vain. */
const NAMES: ReadonlySet<string> = new Set([...TRACE_KINDS, ...NOTIFIER_EVENTS]);

function allSteps(recording: Recording): number[] {
  return Array.from({ length: recording.steps }, (_, i) => i + 1);
}

function stepsOf(changes: readonly ChangeView[]): number[] {
  return [...new Set(changes.map(({ step }) => step))];
}
