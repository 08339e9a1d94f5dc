import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { witnessOf } from '../../../../tools/explore/witness.js';
import { wrapped } from '../../../../tools/series/mail-lines.js';
import { raceKey, raceSummary } from '../../../../tools/series/race-text.js';
import { onFaultTests, RaceHunt, type RaceHunted } from '../../../../tools/series/races.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { count } from '../../../counts.js';
import { checkDocument } from '../../../document-part.js';

function hunted(path: PathName, names: readonly string[]): readonly RaceHunted[] {
  const tests = onFaultTests().filter(({ name }) => names.includes(name));
  expect(tests).toHaveLength(names.length);
  const hunt = new RaceHunt(path, { schedules: 30, repaired: count(60, 3000) });
  for (const test of tests) hunt.add(test, hunt.draw(test));
  return [...hunt.explained()];
}

/** What docs/series.md shows of them. */
const told: string[] = ['| form | race | what becomes of it | takes | token |', '|---|---|---|---|---|'];

function row(path: PathName, { test, cures, token, ...race }: RaceHunted): string {
  const [first, ...others] = test.threads.map((thread) => `\`${thread.join('; ')}\``);
  const setup = test.setup.filter((line) => !line.startsWith('open')).join('; ');
  const causes = cures.map(({ name }) => `\`${name}\``).join(', ');
  return `| ${path} | \`${setup}\`, then ${first} beside ${others.join(', ')} | ${raceSummary({ ...race })} | ${causes} | \`${token}\` |`;
}

afterAll(() => checkDocument('docs/series.md', { races: told.join('\n') }));

// Ways to fail, and a property without which each can't be.
describe.each<[PathName, readonly string[], Readonly<Record<string, string>>]>([
  [
    'posted-late',
    ['held1-onf-dontneed0', 'wideHeld-onfWide-onfWide1'],
    {
      'leak-folio_lock': 'undoesBeforeSleep',
      'hang-folio-hmm_vma_fault': 'undoesBeforeSleep',
      'deadlock-folio-hmm_vma_fault-mmu_notifier-mmu_interval_read_begin': 'checksAfterFault',
    },
  ],
  [
    'posted-v1',
    ['half-onf-unmap', 'half-onf-store'],
    {
      'hang-mmap_lock-dmirror_migrate_on_fault_to_device': 'locksMmapTwice',
      'hang-folio-hmm_range_fault': 'undoesBeforeSleep',
    },
  ],
])('%s beside %j', (path, names, ways) => {
  let found: readonly RaceHunted[];
  beforeAll(() => {
    found = hunted(path, names);
    told.push(...found.map((race) => row(path, race)));
  });

  it('ends in these ways', () => {
    expect(found.map(raceKey).sort()).toEqual(Object.keys(ways).sort());
    for (const race of found) expect(race.cures.map(({ name }) => name)).toContain(ways[raceKey(race)]);
  });

  it('is shown by tokens, and told in two lines', () => {
    for (const race of found) {
      expect(witnessOf(race.token).findings, raceKey(race)).toHaveLength(1);
      expect(race.token.length).toBeLessThan(200);
      expect(wrapped(raceSummary(race), '   ').length).toBeLessThanOrEqual(2);
    }
  });

  it('is not there on unified', () => {
    for (const { repaired } of found) expect(repaired.findings).toBe(0);
  });
});
