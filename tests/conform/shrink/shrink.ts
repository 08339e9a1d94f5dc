// Reduces a sequence on which two configurations differ to a minimal one that still differs.

import type { Replayer } from '../replay.js';
import { type Difference, runBoth } from './differential.js';

export interface Shrunk {
  readonly lines: readonly string[];
  readonly difference: Difference;
  /** Candidate sequences that were run. */
  readonly tried: number;
}

/**
 * Null when both agree on `lines`. The result is minimal in this sense: without any one of its ops, and with any one of
 * its page counts halved or one less, the two agree.
 */
export function shrink(seq: string, lines: readonly string[], pair: readonly [Replayer, Replayer]): Shrunk | null {
  const { lines: best, found, tried } = reduce(lines, (candidate) => runBoth(seq, candidate, pair).difference);
  return found === null ? null : { lines: best, difference: found, tried };
}

/**
 * The fewest lines, and the smallest page counts, for which `test` still finds something; what it finds says at which line, and what
 * follows that can't be needed.
 */
export function reduce<T extends { readonly at: number }>(
  lines: readonly string[],
  test: (candidate: readonly string[]) => T | null,
): { lines: readonly string[]; found: T | null; tried: number } {
  let tried = 0;
  const isFound = (candidate: readonly string[]): boolean => {
    tried++;
    const seen = test(candidate);
    if (seen !== null) found = seen;
    return seen !== null;
  };
  let found: T | null = null;
  if (!isFound(lines)) return { lines, found: null, tried };
  let best: readonly string[] = lines.slice(0, found!.at + 1);
  for (;;) {
    const smaller = smallerThan(best, isFound);
    if (smaller === null) return { lines: best, found, tried };
    best = smaller.slice(0, found!.at + 1);
  }
}

/** The first candidate that still differs: whole runs of ops taken out, long ones first, then smaller numbers. */
function smallerThan(
  lines: readonly string[],
  differs: (candidate: readonly string[]) => boolean,
): readonly string[] | null {
  for (let size = Math.floor(lines.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = lines.length - size; at >= 0; at -= size) {
      const candidate = [...lines.slice(0, at), ...lines.slice(at + size)];
      if (differs(candidate)) return candidate;
    }
  }
  for (let at = 0; at < lines.length; at++) {
    for (const line of simpler(lines[at]!)) {
      const candidate = lines.map((old, i) => (i === at ? line : old));
      if (differs(candidate)) return candidate;
    }
  }
  return null;
}

/** Index of `n` among the words of an op. */
const COUNT_WORDS: Readonly<Record<string, number>> = { dm: 6, gup: 4, pin: 4 };
const DEFAULT_COUNT_WORD = 4;
const WITHOUT_COUNT: readonly string[] = ['open', 'close', 'fork', 'exit', 'unpin', 'raw'];

/** The op on fewer pages. */
function simpler(line: string): string[] {
  const words = line.split(' ');
  if (WITHOUT_COUNT.includes(words[0]!)) return [];
  const at = COUNT_WORDS[words[0]!] ?? DEFAULT_COUNT_WORD;
  const n = Number(words[at]);
  const counts = new Set([1, n >> 1, n - (n >> 2), n - (n >> 4), n - 1].filter((count) => count >= 1 && count < n));
  return [...counts].map((count) => words.map((word, i) => (i === at ? `${count}` : word)).join(' '));
}
