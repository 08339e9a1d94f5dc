// The choices of a schedule as a word. Most are the default, 0: what is written down is each other one, and how many defaults come before it.
// All of them are the digits of one number, in the smallest base that holds them, as a token is to stay short.

import { UsageError } from '../exit-code.js';
import type { Part } from './token.js';

export const SCHEDULE: Part<{ readonly choices: readonly number[] }> = {
  name: 'schedule',
  text: ({ choices }) => scheduleText(choices),
  read: (text) => ({ choices: parseSchedule(text) }),
};

const WAY_OUT = 'print the token anew';

/** `GAPS.PLACES.NUMBER`: the bases of a gap and of a place behind the first, and the number, whose first digit is a 1 that is no choice. */
export function scheduleText(choices: readonly number[]): string {
  const digits: (readonly [gap: number, place: number])[] = [];
  let gap = 0;
  for (const choice of choices) {
    if (choice === 0) gap++;
    else {
      digits.push([gap, choice - 1]);
      gap = 0;
    }
  }
  if (digits.length === 0) return '';
  // At least 2, as with one digit nothing would say how many there are.
  const gaps = 1 + digits.reduce((most, [gap]) => Math.max(most, gap), 1);
  const places = 1 + digits.reduce((most, [, place]) => Math.max(most, place), 0);
  let number = 1n;
  for (const [gap, place] of digits) number = number * BigInt(gaps * places) + BigInt(gap * places + place);
  const hex = number.toString(16);
  return `${gaps}.${places}.${Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')}`;
}

/** The reverse. Throws UsageError. */
export function parseSchedule(text: string): number[] {
  if (text === '') return [];
  const [, gaps, places, word] = /^([1-9]\d{0,4})\.([1-9]\d{0,1})\.([\w-]+)$/.exec(text) ?? [];
  if (word === undefined) throw new UsageError(`'${text}' is no schedule`, WAY_OUT);
  const base = BigInt(Number(gaps) * Number(places));
  let number = BigInt(`0x0${Buffer.from(word, 'base64url').toString('hex')}`);
  const digits: number[] = [];
  for (; number > 1n && base > 1n; number /= base) digits.unshift(Number(number % base));
  if (number !== 1n) throw new UsageError(`'${text}' is damaged`, WAY_OUT);
  return digits.flatMap((digit) => [
    ...new Array<number>(Math.floor(digit / Number(places))).fill(0),
    1 + (digit % Number(places)),
  ]);
}
