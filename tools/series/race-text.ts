import { wrapped } from './mail-lines.js';
import type { Lost, Waiter } from './race-shape.js';
import type { RaceHunted } from './races.js';

const MOST_SHOWN = 6;
/** Of a message that stands for a key. */
const MOST_WORDS = 10;

type Told = Pick<RaceHunted, 'message' | 'shape'>;

/** By which two reports know the same: how it ends, and where. */
export function raceKey({ message, shape: { waiters, lost } }: Told): string {
  if (lost !== null) return `leak-folio_lock-${lost}`;
  if (waiters.length === 0) return (message.match(/[a-z_]\w*/gi) ?? []).slice(0, MOST_WORDS).join('-');
  const waits = waiters.map(({ waitsFor, place }) =>
    waitsFor.startsWith('mmu_notifier') ? place : `${waitsFor.split(' ')[0]}-${place}`,
  );
  return [waiters.length === 1 ? 'hang' : 'deadlock', ...waits.sort()].join('-');
}

/** What happens and where: two lines of a mail. */
export function raceSummary({ message, shape: { waiters, lost } }: Told): string {
  const [one, other] = [...waiters].sort((a, b) => (a.waitsFor < b.waitsFor ? -1 : 1));
  if (lost !== null) return LEAKS[lost];
  if (one === undefined) return message;
  if (other === undefined) return `${one.call} waits for ever ${waitText(one)}, which it holds itself.`;
  const who = one.call === other.call ? `Two calls of ${one.call}` : `${one.call} and ${other.call}`;
  return `${who} wait for each other, ${waitText(one)}, ${waitText(other)}.`;
}

const LEAKS: Readonly<Record<Lost, string>> = {
  entry:
    'A folio stays locked that a later pass took: its word names another. Its migration entry stays, and who touches the page hangs.',
  nothing:
    'A folio stays locked whose word a later pass has overwritten: no page table has it any more, its memory is lost.',
};

function waitText({ waitsFor, place }: Waiter): string {
  return `for ${waitsFor.replace('mmu_notifier ', '')} in ${place}()`;
}

/** Text of one race for a mail, below its first line. */
export function raceLines(race: RaceHunted, head: string): string[] {
  const { test, cures, beside, tests, token, repaired } = race;
  const end = repaired.verdict === 'complete' ? 'all that there are' : 'the budget';
  const clean = repaired.findings > 0 ? 'UNIFIED SHOWS SOMETHING TOO' : 'unified shows nothing';
  return [
    head,
    ...wrapped(raceSummary(race), '   '),
    ...cures.flatMap(({ cause, where }, i) => [
      ...wrapped(`${i > 0 ? 'And ' : 'Cause: '}${cause}.`, '   '),
      ...wrapped(`Where: ${where}`, '   '),
    ]),
    ...(cures.length === 0 ? wrapped('No property of the posting accounts for it alone.', '   ') : []),
    ...wrapped(`Seen in ${tests} of the tests, beside ${[...beside].slice(0, MOST_SHOWN).join('; ')}.`, '   '),
    ...wrapped(`Here after ${test.setup.join('; ')}:`, '   '),
    ...test.threads.map((thread, i) => `     CPU ${i}: ${thread.join('; ')}`),
    `     dmirror explore replay ${token}`,
    ...wrapped(`${clean} in ${repaired.schedules} schedules, ${end}:`, '   '),
    `     dmirror explore ${test.name} --path unified`,
  ];
}
