import { wrapped } from './mail-lines.js';
import type { Waiter } from './race-shape.js';
import type { RaceHunted } from './races.js';

const MOST_SHOWN = 6;
const LEAK = /returns to user holding folio_lock/;

/** By which two reports know the same: how it ends, and where. */
export function raceKey({ message, shape: { waiters } }: Pick<RaceHunted, 'message' | 'shape'>): string {
  if (waiters.length === 0) return LEAK.test(message) ? 'leak-folio_lock' : message.split(':')[0]!;
  const waits = waiters.map(({ waitsFor, place }) => `${waitsFor.split(' ')[0]}-${place}`);
  return [waiters.length === 1 ? 'hang' : 'deadlock', ...waits.sort()].join('-');
}

/** What happens and where: two lines of a mail. */
export function raceSummary({ message, shape: { waiters } }: Pick<RaceHunted, 'message' | 'shape'>): string {
  const [one, other] = waiters;
  if (one === undefined)
    return LEAK.test(message) ? 'A folio stays locked for ever: the call returns without having unlocked it.' : message;
  if (other === undefined) return `${one.call} waits for ever ${waitText(one)}, which it holds itself.`;
  const who = one.call === other.call ? `Two calls of ${one.call}` : `${one.call} and ${other.call}`;
  return `${who} wait for each other, ${waitText(one)} and ${waitText(other)}.`;
}

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
