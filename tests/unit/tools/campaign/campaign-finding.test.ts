// Which findings of a campaign are one.

import { expect, it } from 'vitest';
import { pageOf } from '../../../../tools/campaign/campaign-finding.js';
import { signatureOf } from '../../../../tools/campaign/campaign-state.js';
import { doCase, foundOfSuite } from '../../../../tools/campaign/campaign-tasks.js';

async function foundIn(name: string) {
  const on = { path: 'posted-v1', profile: '6.12', seed: 1, dialect: 'dmirror' } as const;
  const { findings } = await doCase({ name: `migrate_on_fault.${name}`, ...on });
  expect(findings).toHaveLength(1);
  return findings[0]!;
}

it('what the machine says of itself is the same in all cases, what a case expects is its own', async () => {
  const kinds = [
    ['rows.pinned'],
    ['rows.locked'],
    ['rows.own_private', 'rows.own_private_not_mirrored'],
    ['races.munmap'],
    ['races.mprotect'],
    ['races.dontneed', 'races.cpu_load', 'reviews.one_of_each'],
  ];
  const found = [];
  for (const names of kinds) {
    const all = [];
    for (const name of names) all.push(await foundIn(name));
    expect(new Set(all.map(signatureOf)).size, names.join(' ')).toBe(1);
    found.push(all[0]!);
  }
  expect(new Set(found.map(signatureOf)).size).toBe(kinds.length);
  expect(found.map(({ check, functions }) => `${check} ${functions.join(' ')}`)).toMatchObject([
    'case ',
    'case ',
    expect.stringMatching(/^oops \w+/),
    'deadlock MIGRATE_ON_FAULT_TO_DEV munmap',
    'deadlock MIGRATE_ON_FAULT_TO_DEV mprotect',
    'deadlock MIGRATE_ON_FAULT_TO_DEV',
  ]);
});

it('of a guest program the name, the status, the counts and the tests that failed tell', () => {
  const pages = (
    [
      ['b', 1, 'TAP\nnot ok 1 at 0x7f00'],
      ['b', 1, 'TAP\nnot ok 1 at 0x8f00'],
      ['b', 1, 'TAP\nnot ok 1 other'],
      ['b', 139, ''],
      ['c', 139, ''],
    ] as const
  ).map(([program, status, output]) => {
    const result = { status, output, ms: 1, pass: 0, fail: 1, skip: 0, xfail: 0 };
    return signatureOf(foundOfSuite({ program, args: [], needs: {} }, result, 'classic').findings[0]!);
  });
  expect(pages.map((page) => pages.indexOf(page))).toEqual([0, 0, 2, 3, 4]);
});

it.each([
  ['expected -ENOENT, got 0', 'expected -ENOENT, got 0'],
  ['expected 4, got 3', 'expected #, got #'],
  [
    'dm 0 1 READ 2: the kernel answers -9 0 0, dmirror 0 4 0 0000020a',
    'dm # # READ #: the kernel answers -9 # #, dmirror 0 # # #',
  ],
  ['address 0x1000000000, folios 1091-1114', 'address #, folios #-#'],
])('%s: the page is said as %s', (message, page) => {
  expect(pageOf(message)).toBe(page);
});
