// The register of outcomes of a real kernel's tests that are reached here and were never seen there. Each was judged once, by the source of 6.12:
// it is possible, and a real machine comes to it too seldom. What is not in the register is a finding, or a bug.

import { readFileSync } from 'node:fs';
import { shipped } from '../package-root.js';

/** Why Linux can do so, by kind. docs/exploring.md prints this table, with how many outcomes there are of each. */
export const NEVER_SEEN = {
  'read-back':
    'MIGRATE_TO_DEV or EXCLUSIVE answers -2, with the state that one order leaves: `dmirror_migrate_to_device()` and `dmirror_exclusive()` have let go of mmap_lock before `dmirror_do_read()`, and the mirror is empty by then, or not yet filled by the other',
  busy: 'EXCLUSIVE answers -16: the other has the folio locked, or has taken away or changed its entry (`make_device_exclusive_range()`: `folio_trylock()`, `folio_make_device_exclusive()`)',
  half: 'one page has moved and the other has not: `folio_trylock()` fails in `migrate_vma_collect_pmd()`, `migrate_vma_check_page()` finds one reference more, or `zap_pte_range()` has let go of its lock in between',
  order:
    'pages, or two calls of one thread, in another order: `dmirror_do_read()` and `dmirror_do_write()` take one page after the other and hold only the mutex of their own device, which neither the CPU nor another device waits for',
  again:
    'READ or WRITE with one fault more, whose mirror was emptied between `dmirror_fault()` and `dmirror_do_read()` or `dmirror_do_write()`',
  walk: 'SNAPSHOT sees one page before and the other in the middle of the migration: `hmm_vma_handle_pte()` gives 0 for a migration entry',
  kept: "the mirror of the device that moved the pages stays full: the other's notifier came before `dmirror_migrate_finalize_and_map()`, which stores whatever came since",
  stale: 'a mirror that outlives its page, as below',
  oops: 'READ of half a lost mirror, as below',
} as const;
export type NeverSeenKind = keyof typeof NEVER_SEEN;

/** Outcomes of one test, by kind. */
type NeverSeenLine = { readonly test: string } & { readonly [K in NeverSeenKind]?: readonly string[] };

let lines: readonly NeverSeenLine[] | undefined;

export function neverSeenLines(): NeverSeenLine[] {
  const text = readFileSync(shipped('tests/litmus/never-seen.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** How an outcome was judged; undefined when nobody did. */
export function neverSeenKind(test: string, outcome: string): NeverSeenKind | undefined {
  return kindsOf(test).find(([, outcomes]) => outcomes.includes(outcome))?.[0];
}

export function neverSeenOutcomes(test: string): string[] {
  return kindsOf(test).flatMap(([, outcomes]) => outcomes);
}

function kindsOf(name: string): (readonly [NeverSeenKind, readonly string[]])[] {
  lines ??= neverSeenLines();
  const { test: _, ...byKind } = lines.find(({ test }) => test === name) ?? { test: name };
  return Object.entries(byKind) as [NeverSeenKind, readonly string[]][];
}
