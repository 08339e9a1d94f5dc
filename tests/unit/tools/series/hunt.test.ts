import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type MigrationPath, migrationPath, type PropertyName, pathWith } from '../../../../driver/hmm/index.js';
import { Replayer } from '../../../../tests/conform/replay.js';
import { replay } from '../../../../tools/commands/replay.js';
import { exploreLitmus } from '../../../../tools/explore/explore-work.js';
import { RACE_TOKEN } from '../../../../tools/explore/race-token.js';
import { loadPlan } from '../../../../tools/fault/plans/plan-parse.js';
import { runPlan } from '../../../../tools/fault/plans/plan-run.js';
import { RUN_TOKEN } from '../../../../tools/fault/run-token.js';
import { shipped } from '../../../../tools/package-root.js';
import { type Hunted, hunt } from '../../../../tools/series/hunt.js';
import { withPropertyOf } from '../../../../tools/series/properties.js';
import { onFaultTests } from '../../../../tools/series/races.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { some } from '../../../counts.js';
import { recordedOutput } from '../recorded-output.js';

const V1: PathName = 'posted-v1';
/** Small sequences with the property that each hangs on. */
const SHOWN: readonly (readonly [property: PropertyName, kind: string, ops: string])[] = [
  [
    'undoesOnError',
    'machine',
    'open 0 0; open 0 1; map 0 0 0 2 anon rw; store 0 0 0 2 100; dm 0 1 MIGRATE_TO_DEV 0 1 1; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2',
  ],
  [
    'mirrorsStructPages',
    'machine',
    'open 0 0; map 0 0 0 1 anon rw; store 0 0 0 1 100; dm 0 0 MIGRATE_TO_DEV 0 0 1; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 1',
  ],
  ['clearsDst', 'machine', 'open 0 0; map 0 0 0 65 anon rw; dm 0 0 MIGRATE_TO_DEV 0 0 1; dm 0 0 MIGRATE_TO_SYS 0 0 65'],
  ['setupRequestsMigrate', 'warning', 'open 0 0; map 0 0 0 1 anon rw; store 0 0 0 1 100; dm 0 0 MIGRATE_TO_SYS 0 0 1'],
  [
    'dropsYoungDirty',
    'rights',
    'open 0 0; map 0 0 0 1 anon rw; store 0 0 0 1 100; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 1',
  ],
  [
    'ignoresOwnClears',
    'books',
    'open 0 0; open 0 1; map 0 0 0 1024 anon rw; advise 0 0 0 1024 HUGEPAGE; dm 0 0 READ 0 512 1; dm 0 1 MIGRATE_ON_FAULT_TO_DEV 0 731 1',
  ],
  [
    'mirrorsFrame0',
    'content',
    'open 0 0; map 0 0 0 512 anon rw; advise 0 0 0 512 HUGEPAGE; store 0 0 0 2 100; pin 0 0 0 1 1; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2',
  ],
];

const MACHINE = { ramBytes: 64 << 20, swapBytes: 8 << 20 };

describe('the first posting', () => {
  it.each(some(SHOWN, 2))(
    '%s is seen as %s, goes away with it, and is not there on unified and the late form',
    (name, kind, text) => {
      const ops = text.split('; ');
      const judge = (path: PathName) => new Replayer({ path, isJudged: true, machine: MACHINE }).judge('ops-0', ops);
      const alone = onlyWith(name);
      expect(judge(V1)).not.toBeNull();
      expect(judge(alone)?.violation.kind).toBe(kind);
      expect(judge(withPropertyOf(alone, name, 'unified'))).toBeNull();
      expect(judge('unified')).toBeNull();
      expect(judge('posted-late')).toBeNull();
    },
  );
});

/** The first posting with only this and what it needs of its defects. */
function onlyWith(name: PropertyName): PathName {
  const repaired: Partial<MigrationPath> = {
    undoesOnError: true,
    undoesBeforeSleep: true,
    mirrorsStructPages: false,
    mirrorsFrame0: false,
    clearsDst: true,
    setupRequestsMigrate: false,
    dropsYoungDirty: false,
    ignoresOwnClears: false,
  };
  // A system page that MIGRATE_TO_SYS takes has no destination of its own.
  const needs = name === 'clearsDst' ? { setupRequestsMigrate: true } : {};
  const more = name === 'undoesOnError' ? { undoesBeforeSleep: false } : {};
  return pathWith(V1, { ...repaired, ...needs, ...more, [name]: migrationPath(V1)[name] });
}

describe('the late form', () => {
  it('leaves a page that it has moved in a TLB, where what comes behind it needs a fault and then stays', () => {
    const shared = 'open 0 0; open 0 1; map 0 0 0 2 anon rw; store 0 0 0 2 100; fork 0 1';
    const pinned = 'store 0 0 1 1 7; pin 0 0 1 1 1; dm 0 1 EXCLUSIVE 0 1 1';
    const ops = `${shared}; ${pinned}; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 2`.split('; ');
    const judge = (path: PathName) => new Replayer({ path, isJudged: true, machine: MACHINE }).judge('ops-0', ops);
    expect(judge('posted-late')?.violation.message).toMatch(/a TLB lets loads at 0x1000000000 through/);
    expect(judge('posted-late+skipsFlushAtStop=false')).toBeNull();
    expect(judge('unified')).toBeNull();
  });

  it('unlocks the folio of a CPU fault where a share fails, on a kernel that has locked it', async () => {
    const plan = loadPlan(shipped('tests/faults/plans/share-fails-on-a-cpu-fault.yaml'));
    const later = { ...plan, machine: { ...plan.machine, profile: '6.19' as const } };
    const on = (path: PathName) => runPlan(later, { path, defects: [] });
    expect((await on('posted-late')).violations[0]?.message).toMatch(/pfn \d+ is not locked/);
    for (const path of ['posted-late+unlocksFaultFolio=false', 'unified'] as const)
      expect((await on(path)).status).toBe('pass');
  });

  it("passes over another's migration entry, for which unified waits", () => {
    const [test] = onFaultTests().filter(({ name }) => name === 'fresh-onf-mig1');
    const how = { profile: '6.12', strategy: 'random', budget: 40, seed: 1, isChecked: false } as const;
    const lost = (path: PathName): boolean =>
      [...exploreLitmus(test!, { ...how, path }).outcomes.keys()].some((name) =>
        name.startsWith('-2 0 0 | 0 2 0 10 11 => 0 2 0 0000; 0 2 0 2222'),
      );
    // That the late form does is seen from its token in docs/series.md.
    expect([lost('posted-late+waitsAtMigrationEntries'), lost('unified')]).toEqual([false, false]);
  });
});

describe('tokens of docs/series.md', () => {
  const sections = readFileSync(shipped('docs/series.md'), 'utf8').split('\n## ');
  const written = sections.filter((text) => /^Concerns|^What the late form does/.test(text)).join('\n');
  const tokens = [...written.matchAll(/`(dm2:(\w+):\S+)`/g)].map(([, token, kind]) => ({ token: token!, kind: kind! }));
  const replayed = async (token: string): Promise<{ status: number; text: string }> => {
    const output = recordedOutput();
    return { status: await replay([token], {}, output), text: output.lines.join('\n') };
  };
  /** Kind of token, and what it shows. */
  const READ: readonly (readonly [kind: string, says: RegExp, status: number])[] = [
    ['run', /returns to user holding folio_lock x16/, 1],
    [
      'race',
      /waits for folio \d+ of 1\/2, holds mmap_lock, folio_lock; 1\/2 .* waits for mmu_notifier invalidation/,
      1,
    ],
    ['race', /is no locked large folio/, 1],
    ['ops', /MIGRATE_ON_FAULT_TO_DEV 0 0 2 => -2 0 0/, 0],
    ['ops', /MIGRATE_ON_FAULT_TO_DEV 0 0 2 => -2 0 0/, 0],
    ['race', /-2 0 0 \| 0 2 0 10 11/, 0],
    ['ops', /a TLB lets loads/, 1],
    ['plan', /is not locked/, 1],
  ];

  it('are all looked at', () => expect(tokens).toHaveLength(READ.length));

  it.each(
    some(
      READ.map((row, i) => [i, ...row] as const),
      2,
    ),
  )('number %i of the concerns and of what is read, a %s, says %s', async (i, kind, says, status) => {
    const { token, kind: of } = tokens[i]!;
    expect(of).toBe(kind);
    const shown = await replayed(token);
    expect(shown.text).toMatch(says);
    expect(shown.status).toBe(status);
  });

  it('that show a defect of one form show nothing on the other or on unified', async () => {
    const [setup, ...races] = tokens.map(({ token }) => token);
    expect((await replayed(RUN_TOKEN.write({ ...RUN_TOKEN.read(setup!), path: 'posted-late' }))).status).toBe(0);
    const { test } = RACE_TOKEN.read(races[0]!);
    const how = { path: 'unified', profile: '6.19', strategy: 'random', budget: 20, seed: 1, isChecked: true } as const;
    expect(exploreLitmus(test, how).findings).toEqual([]);
  });
});

describe('a hunt', () => {
  const found = (path: PathName, sequences: { family: string; seed: number }[]): Hunted[] =>
    [...hunt(path, sequences)].filter((finding) => finding !== null);

  it.each(['unified', 'posted-late'] as const)('finds nothing on %s', (name) => {
    const sequences = ['small', 'mix', 'coherent', 'swap', 'pin'].map((family) => ({ family, seed: 1 }));
    expect(found(name, sequences)).toEqual([]);
  });
});
