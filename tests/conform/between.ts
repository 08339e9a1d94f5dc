// Answers that Linux gives only while another task is halfway through its work, so that no serial order has them.

import type { Race } from './concurrent-generate.js';

/** An answer of a race: the op, who gave it and the page it is about. */
export interface Asked {
  /** Index of the task; -1 for a read after the race. */
  readonly task: number;
  readonly words: readonly string[];
  readonly answer: string;
}

interface Rule {
  /** Why Linux 6.12 answers so. */
  readonly why: string;
  /** Names of the ops, another task's and on the same page or the one before, that it takes. */
  readonly against: readonly string[];
  allows(asked: Asked, race: Race): boolean;
}

const MOVES = ['MIGRATE_TO_DEV', 'MIGRATE_TO_SYS', 'EXCLUSIVE'];
const TOUCHES = [...MOVES, 'READ', 'WRITE', 'load', 'store', 'protect', 'advise', 'unmap'];

/** docs/conformance.md prints this table. */
export const BETWEEN: readonly Rule[] = [
  {
    why: 'MIGRATE_TO_DEV: the page is locked or has a reference more, so it stays and the mirror has no entry (mm/migrate_device.c:migrate_vma_check_page(), lib/test_hmm.c:dmirror_do_read() -ENOENT)',
    against: TOUCHES,
    allows: ({ words, answer }) => nameOf(words) === 'MIGRATE_TO_DEV' && answer === '-2',
  },
  {
    why: 'EXCLUSIVE: the entry changed between the fault and the conversion, or was taken away before the copy (lib/test_hmm.c:dmirror_exclusive() -EBUSY, dmirror_do_read() -ENOENT)',
    against: TOUCHES,
    allows: ({ words, answer }) => nameOf(words) === 'EXCLUSIVE' && ['-16', '-2'].includes(answer),
  },
  {
    why: 'SNAPSHOT: it asks for no fault, so an entry of a migration or an exclusive access under way is no page, and the page that EXCLUSIVE or WRITE faulted in first is one (mm/hmm.c:hmm_vma_handle_pte())',
    against: [...MOVES, 'WRITE', 'READ', 'load', 'store'],
    allows: ({ words, answer }) => nameOf(words) === 'SNAPSHOT' && /^0 1 ([0-3]|34|33|66|65)$/.test(answer),
  },
  {
    why: "a word that the page had before: a WRITE through the mirror is lost when the device copies the page to its new place meanwhile, as a device's own migration invalidates the mirror only at its end (lib/test_hmm.c:dmirror_interval_invalidate(), dmirror_migrate_finalize_and_map())",
    against: ['WRITE'],
    allows: (asked, race) => isMoved(asked, race) && earlierWords(asked, race).includes(asked.answer.slice(-8)),
  },
];

/** The reason why Linux may give this answer in this race though no serial order does; null when there is none. */
export function between(asked: Asked, race: Race): string | null {
  const rule = BETWEEN.find(({ against, allows }) => rivals(asked, race, against) && allows(asked, race));
  return rule?.why ?? null;
}

/** The command of a `dm` op, else the op's name. */
function nameOf(words: readonly string[]): string {
  return words[0] === 'dm' ? words[3]! : words[0]!;
}

function pageOf(words: readonly string[]): string {
  return words[words[0] === 'dm' ? 5 : 3]!;
}

function rivals({ task, words }: Asked, race: Race, names: readonly string[]): boolean {
  return race.tasks.some((other, t) => {
    if (t === task) return false;
    return other.lines.some((line) => isOn(line, names, pageOf(words)) || isBefore(line, names, pageOf(words)));
  });
}

function isOn(line: string, names: readonly string[], page: string): boolean {
  const words = line.split(' ');
  return names.includes(nameOf(words)) && pageOf(words) === page;
}

/** An invalidation also erases the mirror's entry behind its range (Q1). */
function isBefore(line: string, names: readonly string[], page: string): boolean {
  return isOn(line, names, `${Number(page) - 1}`);
}

function isMoved({ words }: Asked, race: Race): boolean {
  const page = pageOf(words);
  return race.tasks.some(({ lines }) => lines.some((line) => isOn(line, MOVES, page)));
}

/** Every word that the page may have begun with or been given. */
function earlierWords({ words }: Asked, race: Race): string[] {
  const page = Number(pageOf(words));
  const values = [0, 0xf1000000 + page];
  for (const line of [...race.setup, ...race.tasks.flatMap(({ lines }) => lines)]) {
    const op = line.split(' ');
    const isWrite = nameOf(op) === 'WRITE' || nameOf(op) === 'store';
    if (isWrite) values.push(Number(op.at(-1)) + page - Number(pageOf(op)));
  }
  return values.map((value) => value.toString(16).padStart(8, '0'));
}
