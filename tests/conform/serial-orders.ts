// The oracle of races: what the ops answer when they run one after the other, in every order that keeps each task's own.

import type { Race } from './concurrent-generate.js';
import type { RaceAnswers, RaceRunner } from './race.js';

/** Null when each answer is one that some serial order gives; else what was answered and what could have been. */
export function explain(race: Race, seen: RaceAnswers, runner: RaceRunner): string | null {
  const answers = [...seen.ops, ...seen.after];
  const open = new Set(answers.keys());
  const possible = answers.map(() => new Set<string>());
  for (const order of serialOrders(race.tasks.map(({ lines }) => lines.length))) {
    const serial = runner.serial(race, order);
    [...serial.ops, ...serial.after].forEach((answer, i) => {
      possible[i]!.add(answer);
      if (answer === answers[i]) open.delete(i);
    });
    if (open.size === 0) return null;
  }
  const names = [...race.tasks.flatMap(({ lines }) => lines), ...seen.after.map((_, i) => `read ${i} afterwards`)];
  const unexplained = [...open].map(
    (i) => `! ${names[i]} => ${answers[i]}; serially ${[...possible[i]!].join(' or ')}`,
  );
  const done = race.tasks.map(({ p, lines }) => `  task of process ${p}: ${lines.join(', ')}`);
  return [...race.setup.map((line) => `  ${line}`), ...done, ...unexplained].join('\n');
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
