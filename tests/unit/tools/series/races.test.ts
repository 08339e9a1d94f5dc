import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exploreLitmus } from '../../../../tools/explore/explore-work.js';
import { witnessOf } from '../../../../tools/explore/witness.js';
import { shipped } from '../../../../tools/package-root.js';
import { wrapped } from '../../../../tools/series/mail-lines.js';
import { raceKey, raceSummary } from '../../../../tools/series/race-text.js';
import { onFaultTests, RaceHunt, type RaceHunted } from '../../../../tools/series/races.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { isFull, isLong, some } from '../../../counts.js';
import { checkDocument } from '../../../document-part.js';

const DOCUMENT = 'docs/series.md';
/** What each hangs on takes minutes to ask. */
const explains = isLong || process.env.DMIRROR_UPDATE === '1';

/** What docs/series.md shows of them. */
const told: string[] = ['| form | race | what becomes of it | takes | token |', '|---|---|---|---|---|'];

function row(path: PathName, { test, cures, token, ...race }: RaceHunted): string {
  const [first, ...others] = test.threads.map((thread) => `\`${thread.join('; ')}\``);
  const setup = test.setup.filter((line) => !line.startsWith('open')).join('; ');
  const causes = cures.map(({ name }) => `\`${name}\``).join(', ');
  return `| ${path} | \`${setup}\`, then ${first} beside ${others.join(', ')} | ${raceSummary({ ...race })} | ${causes} | \`${token}\` |`;
}

afterAll(() => {
  if (explains) checkDocument(DOCUMENT, { races: told.join('\n') });
});

// Ways to fail, and a property without which each can't be.
describe.each<[PathName, readonly string[], Readonly<Record<string, string>>]>([
  [
    'posted-late',
    [
      'held1-onf-dontneed0',
      'shm0-onfSecond-onf1',
      'shmHalf-onf-dontneed0',
      'filep-onf-dontneed',
      'filep-onf-dontneed0',
    ],
    {
      'leak-folio_lock-nothing': 'undoesBeforeSleep',
      'leak-folio_lock-entry': 'checksAfterFault',
      'hang-folio-hmm_vma_fault': 'checksAfterFault',
      'hang-folio-shmem_fault': 'undoesBeforeSleep',
      'deadlock-folio-hmm_vma_fault-mmu_interval_read_begin': 'checksAfterFault',
    },
  ],
  [
    'posted-v1',
    ['fresh-onf-unmap1', 'fresh-onf-dontneed1'],
    {
      'hang-mmap_lock-dmirror_migrate_on_fault_to_device': 'locksMmapTwice',
      'hang-folio-hmm_range_fault': 'undoesBeforeSleep',
    },
  ],
])('%s beside %j', (path, names, ways) => {
  const tests = onFaultTests().filter(({ name }) => names.includes(name));
  const hunt = new RaceHunt(path, { schedules: 60, repaired: 1000 });
  beforeAll(() => {
    expect(tests).toHaveLength(names.length);
    for (const test of tests) hunt.add(test, hunt.draw(test));
  });

  it('ends in these ways, each told in two lines', () => {
    expect(hunt.ways.map(raceKey).sort()).toEqual(Object.keys(ways).sort());
    for (const way of hunt.ways) expect(wrapped(raceSummary(way), '   ').length).toBeLessThanOrEqual(2);
  });

  it('is shown by the tokens of the document', () => {
    const [, text = ''] = readFileSync(shipped(DOCUMENT), 'utf8').split(/<!-- (?:end )?races -->/);
    const tokens = [...text.matchAll(/`(dm2:race:\S+)`/g)].map(([, token]) => token!);
    const own = tokens.filter((token) => token.includes(`:${path}:`));
    expect(own).toHaveLength(Object.keys(ways).length);
    for (const token of own) {
      expect(witnessOf([token]).findings, token).toHaveLength(1);
      expect(token.length).toBeLessThan(200);
    }
  });

  it('is not there on unified, whatever the schedule', () => {
    for (const test of some(tests, 5)) {
      const how = {
        path: 'unified',
        profile: '6.12',
        strategy: 'dpor',
        budget: 1000,
        seed: 1,
        isChecked: isFull,
      } as const;
      const { verdict, findings } = exploreLitmus(test, how);
      expect(findings, test.name).toEqual([]);
      expect(verdict, test.name).toBe('complete');
    }
  });

  it.runIf(explains)('hangs on these properties (only in check:long)', () => {
    for (const race of hunt.explained()) {
      expect(race.cures.map(({ name }) => name)).toContain(ways[raceKey(race)]);
      expect(race.repaired.findings).toBe(0);
      told.push(row(path, race));
    }
  });
});

it.each(['posted-late+undoesBeforeSleep', 'posted-late+checksAfterFault=false'] as const)(
  'who wants a folio that it holds hangs on %s too, where only a part is repaired',
  (path) => {
    const test = onFaultTests().find(({ name }) => name === 'shmHalf-onf-dontneed0')!;
    const how = { path, profile: '6.12', strategy: 'random', budget: 60, seed: 1, isChecked: false } as const;
    const { findings } = exploreLitmus(test, how);
    expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['deadlock']));
  },
);
