// The canonical string of an outcome: answers of the threads' ops, then of the ops that observe.

import { storesWords } from './litmus-op.js';

/** Words of an answer that are memory, from this one on, by op; for `dm` by command. */
const FIRST_WORD: Readonly<Record<string, number>> = {
  load: 2,
  vmread: 2,
  READ: 3,
  MIGRATE_TO_DEV: 3,
  MIGRATE_ON_FAULT_TO_DEV: 3,
  EXCLUSIVE: 3,
};
/** An op that never ran, as its process does not exist. */
export const NEVER_RAN = 'none';

/** The words of memory that a test knows, as they are printed: 0, and what its ops store. */
export function knownWords(lines: readonly string[]): ReadonlySet<string> {
  const known = new Set(['0']);
  for (const line of lines) {
    if (!storesWords(line)) continue;
    const [n, first] = line.split(' ').slice(-2).map(Number) as [number, number];
    for (let i = 0; i < n; i++) known.add((first + i).toString(16));
  }
  return known;
}

/** An answer of the recording language as a litmus outcome has it: words without leading zeros, unknown ones as `?`. */
export function canonicalAnswer(op: string, answer: string, known: ReadonlySet<string>): string {
  const words = op.split(' ');
  const first = FIRST_WORD[words[0] === 'dm' ? words[3]! : words[0]!];
  if (first === undefined) return answer;
  return answer
    .split(' ')
    .map((word, i) => (i < first ? word : canonicalWord(word, known)))
    .join(' ');
}

function canonicalWord(word: string, known: ReadonlySet<string>): string {
  const short = word.replace(/^0+(?=.)/, '');
  return known.has(short) ? short : '?';
}

export function outcomeText(threads: readonly (readonly string[])[], observed: readonly string[]): string {
  return `${threads.map((answers) => answers.join('; ')).join(' | ')} => ${observed.join('; ')}`;
}

/** An outcome, or a pattern of some, as somebody has written it: where nothing is observed there is a blank behind the arrow. */
export function writtenOutcome(text: string): string {
  return text.replace(/=>$/, '=> ');
}

/** The outcome without the words of its last READ, which may copy a freed frame. */
export function withoutLastRead(outcome: string): string {
  const at = outcome.lastIndexOf('; ');
  return `${outcome.slice(0, at)}; ${outcome
    .slice(at + 2)
    .split(' ')
    .slice(0, 3)
    .join(' ')}`;
}
