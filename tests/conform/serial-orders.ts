// The oracle of races: what the ops answer when they run one after the other, in every order that keeps each task's own.

import { type Asked, between } from './between.js';
import type { Race } from './concurrent-generate.js';
import type { RaceAnswers, RaceRunner } from './race.js';

/** How the answers of one race were explained. */
export interface Explanation {
  /** Answers in all, and those that no serial order has but Linux gives in the middle of another's work. */
  readonly answers: number;
  readonly between: number;
  /** One serial order gives all answers together. */
  readonly isSerial: boolean;
  /** Null when every answer is explained; else the race and what is not. */
  readonly failure: string | null;
}

/**
 * Looks for each answer in the serial orders, then in the table of what only a race shows. An op that failed because
 * another was halfway left nothing behind, so for what is still open the orders without such ops count too.
 */
export function explain(race: Race, seen: RaceAnswers, runner: RaceRunner): Explanation {
  const answers = [...seen.ops, ...seen.after];
  const { open, possible, isSerial } = inSomeOrder(race, answers, runner);
  const asked = askedOf(race, answers);
  const inBetween = [...open].filter((i) => between(asked[i]!, race) !== null);
  let unexplained = [...open].filter((i) => !inBetween.includes(i));
  const failed = inBetween.filter((i) => i < seen.ops.length && answers[i]!.startsWith('-'));
  if (unexplained.length > 0 && failed.length > 0) {
    const kept = answers.map((_, i) => i).filter((i) => !failed.includes(i));
    const without = withoutOps(race, failed);
    const again = inSomeOrder(
      without,
      kept.map((i) => answers[i]!),
      runner,
    );
    unexplained = unexplained.filter((i) => again.open.has(kept.indexOf(i)));
  }
  const lines = unexplained.map((i) => line(asked[i]!, possible[i]!));
  return {
    answers: answers.length,
    between: open.size - unexplained.length,
    isSerial,
    failure: lines.length === 0 ? null : raceText(race, lines),
  };
}

/** Which answers no serial order gives (`open`), what each could be, and whether one order gives all together. */
function inSomeOrder(
  race: Race,
  answers: readonly string[],
  runner: RaceRunner,
): { open: Set<number>; possible: Set<string>[]; isSerial: boolean } {
  const open = new Set(answers.keys());
  const possible = answers.map(() => new Set<string>());
  for (const order of serialOrders(race.tasks.map(({ lines }) => lines.length))) {
    const serial = runner.serial(race, order);
    let same = 0;
    [...serial.ops, ...serial.after].forEach((answer, i) => {
      possible[i]!.add(answer);
      if (answer !== answers[i]) return;
      same++;
      open.delete(i);
    });
    if (same === answers.length) return { open, possible, isSerial: true };
  }
  return { open, possible, isSerial: false };
}

/** The race without some of its ops, given by their indices over all tasks. */
function withoutOps(race: Race, indices: readonly number[]): Race {
  let i = 0;
  const tasks = race.tasks.map((task) => ({ ...task, lines: task.lines.filter(() => !indices.includes(i++)) }));
  return { ...race, tasks };
}

function askedOf(race: Race, answers: readonly string[]): Asked[] {
  const ops = race.tasks.flatMap(({ lines }, task) => lines.map((op) => ({ task, words: op.split(' ') })));
  for (let p = 0; p < race.processes; p++) {
    for (let page = 0; page < race.pages; page++) ops.push({ task: -1, words: ['load', `${p}`, '0', `${page}`, '1'] });
  }
  return ops.map((op, i) => ({ ...op, answer: answers[i]! }));
}

function line({ task, words, answer }: Asked, possible: ReadonlySet<string>): string {
  const when = task < 0 ? ' afterwards' : '';
  return `! ${words.join(' ')}${when} => ${answer}; serially ${[...possible].join(' or ')}`;
}

function raceText(race: Race, unexplained: readonly string[]): string {
  const tasks = race.tasks.map(({ p, lines }) => `  task of process ${p}: ${lines.join(', ')}`);
  return [...race.setup.map((op) => `  ${op}`), ...tasks, ...unexplained].join('\n');
}

/** Every order of `counts[t]` ops of each task t, as the task of each step. */
export function* serialOrders(counts: readonly number[]): Generator<number[]> {
  if (counts.every((count) => count === 0)) yield [];
  for (const [t, count] of counts.entries()) {
    if (count === 0) continue;
    const rest = counts.map((other, i) => (i === t ? other - 1 : other));
    for (const tail of serialOrders(rest)) yield [t, ...tail];
  }
}
