import type { PathName } from '../../uapi/path-name.js';
import { exploreLitmus, type HowToExplore } from '../explore/explore-work.js';
import type { Litmus } from '../explore/litmus-file.js';

/** A way in which a call of the series and something beside it end that must not be. */
export interface RaceHunted {
  readonly setup: readonly string[];
  readonly threads: readonly (readonly string[])[];
  /** What is wrong, by kind and without the numbers of folios and tasks. */
  readonly message: string;
  /** How often it came in other tests, too. */
  readonly tests: number;
  /** `unified` shows nothing in as many schedules. */
  readonly isCleanWhenRepaired: boolean;
}

/** What the middle of three pages is before. */
const SETUPS: readonly (readonly string[])[] = [
  [],
  ['advise 0 0 1 1 DONTNEED'],
  ['advise 0 0 1 1 PAGEOUT'],
  ['dm 0 1 MIGRATE_TO_DEV 0 1 1'],
  ['dm 0 1 EXCLUSIVE 0 1 1'],
];
/** What runs beside it. */
const OTHERS: readonly string[] = [
  'advise 0 0 0 1 DONTNEED',
  'store 0 0 0 2 0x20',
  'unmap 0 0 0 1',
  'fork 0 1',
  'dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 1 2',
  'dm 0 1 MIGRATE_TO_DEV 0 0 1',
  'dm 0 1 EXCLUSIVE 0 0 2',
  'dm 0 0 MIGRATE_TO_SYS 0 0 2',
];
const ON_FAULT = 'dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 3';
const BASE: readonly string[] = ['open 0 0', 'open 0 1', 'map 0 0 0 3 anon rw', 'store 0 0 0 3 0x10'];

/** Every setup with everything beside it, each under `budget` drawn schedules. Yields after each test, with what has been found so far. */
export function* races(path: PathName, budget: number): Generator<readonly RaceHunted[]> {
  const found = new Map<string, RaceHunted>();
  const how: HowToExplore = { path, profile: '6.12', strategy: 'random', budget, seed: 1, isChecked: false };
  for (const more of SETUPS) {
    for (const other of OTHERS) {
      const test = litmus([...BASE, ...more], other);
      const { findings } = exploreLitmus(test, how);
      for (const { kind, message } of findings) {
        const text = `${kind}: ${message
          .split('\n')[0]!
          .replace(/\b\d+\/\d+|\b\d+\b/g, '#')
          .replace(/ x\d+/g, '')}`;
        const known = found.get(text);
        const isClean = known === undefined && exploreLitmus(test, { ...how, path: 'unified' }).findings.length === 0;
        if (known === undefined) found.set(text, { ...test, message: text, tests: 1, isCleanWhenRepaired: isClean });
        else found.set(text, { ...known, tests: known.tests + 1 });
      }
      yield [...found.values()];
    }
  }
}

/** Which code leads there. */
export function causeOf(message: string): string {
  if (message.includes('returns to user'))
    return 'The entry of a prepared page has gone between two passes; what stands there then is taken for it or in its place, and its folio is left locked: hmm_vma_handle_pte(), hmm_vma_handle_migrate_prepare().';
  if (message.includes('mmu_notifier'))
    return 'After -EBUSY the driver begins to read again with folios of the pass before locked, while the other, in an invalidation, waits for one: dmirror_range_fault(), mmu_interval_read_begin().';
  if (message.includes(' for mmap_lock'))
    return 'mmap_lock is taken for read once more, with a writer in between: dmirror_range_fault().';
  return 'A fault, or the walk itself, waits for a migration entry while folios of the range are locked, its own ones among them on a second pass: hmm_vma_fault(), migration_entry_wait().';
}

/** How many tests `races` runs. */
export const RACES = SETUPS.length * OTHERS.length;

function litmus(setup: readonly string[], other: string): Litmus {
  const conditions = { forbid: [], require: [], allow: [] };
  return { name: 'race', setup, threads: [[ON_FAULT], [other]], observe: [], conditions, recorded: null };
}
