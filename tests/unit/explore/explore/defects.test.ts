import { describe, expect, it } from 'vitest';
import { explore } from '../../../../driver/explore/index.js';
import type { FoundNow } from '../../../../driver/explore/race-finding.js';
import { type DefectName, NEED_TWO_TASKS } from '../../../../driver/inject/defects.js';
import { raceOf } from '../../../../tools/explore/explore-work.js';
import { LitmusRace } from '../../../../tools/explore/litmus-race.js';
import { shippedTest } from '../../../../tools/explore/shipped-tests.js';
import { EQUAL_PATHS, type PathName } from '../../../../uapi/path-name.js';
import { some } from '../../../counts.js';

const RAM_BYTES = 32 << 20;
/** Schedules within which a defect has to be found. */
const BUDGET = 120;

/** By shipped test, none of which names a bug: the defects that show in it, and as what. */
const FOUND_IN: Readonly<Record<string, readonly (readonly [DefectName, RegExp])[]>> = {
  'fresh-read-dontneed': [
    ['wakeupLost', /^lost wake-up: \S+ in READ waits for mmu_notifier invalidation/],
    ['retrySkipped', /^invariant: mirror entry of page/],
    ['setSeqOutside', /^invariant: mirror entry of page/],
  ],
  'pinned-mig-store': [
    ['flushLost', /^invariant: mm 1: a TLB lets stores at 0x\w+ through to pfn \d+, where the page table says DPRIV-W/],
    ['trylockLeak', /^lost wake-up: \S+ in store waits for references of folio/],
  ],
  'fresh-read-mig1': [['ownerHides', /^invariant: mirror entry of page/]],
};
const FOUND = Object.entries(FOUND_IN).flatMap(([test, defects]) =>
  defects.map(([defect, as]) => ({ test, defect, as })),
);

/** On a machine without what Linux itself does wrong. */
function messages(name: string, path: PathName, defect: DefectName | null): string[] {
  const race = new LitmusRace(shippedTest(name), { path, ramBytes: RAM_BYTES });
  if (defect !== null) race.machine.kernel.defects[defect] = true;
  return messagesOf(explore(race, { budget: BUDGET, until: ({ findings }) => findings.length > 0 }));
}

function messagesOf({ findings }: { findings: readonly FoundNow[] }): string[] {
  return findings.map(({ kind, message }) => `${kind}: ${message}`);
}

it('knows a test for each defect that needs two tasks', () => {
  expect(FOUND.map(({ defect }) => defect)).toEqual(expect.arrayContaining([...NEED_TWO_TASKS]));
});

describe.each(some(EQUAL_PATHS, 2))('an exploration of a shipped test, %s', (path) => {
  it.each(Object.keys(FOUND_IN))('finds nothing wrong in %s', (name) => expect(messages(name, path, null)).toEqual([]));

  it.each(FOUND)('finds $defect in $test', ({ test, defect, as }) => {
    expect(messages(test, path, defect)).toEqual([expect.stringMatching(as)]);
  });
});

describe('an exploration of a shipped test', () => {
  it.each([
    [
      'that RELEASE and a migration that wants a new chunk wait for each other',
      'fresh-mig-release',
      'classic',
      /^(deadlock|lost wake-up): .*devmem_lock/,
    ],
    ['the stale mirror that the owner filter allows', 'mig-dontneed', 'classic', /^invariant: mirror entry of page/],
    [
      'that two migrators wait for each other whose walk keeps pages while it faults and begins again',
      'held1-onf-onf1',
      'unified+undoesBeforeSleep=false+undoesOnError=false',
      /^deadlock: \S+ in MIGRATE_ON_FAULT_TO_DEV waits for mmu_notifier invalidation, holds [^;]*folio_lock; (\S+) in MIGRATE_ON_FAULT_TO_DEV waits for folio/,
    ],
  ] as const)('finds %s', (_what, name, path, expected) => {
    const race = raceOf(shippedTest(name), { path, profile: '6.12' });
    const isFound = (result: { findings: readonly FoundNow[] }): boolean =>
      messagesOf(result).some((message) => expected.test(message));
    expect(isFound(explore(race, { budget: 400, until: isFound }))).toBe(true);
  });
});
