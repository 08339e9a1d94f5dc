import { spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isFull, some } from '../counts.js';

const BIN = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/dmirror.js');

/** What the built command says and its status, but for how long it took. */
function explored(jobs: string, ...args: string[]): string {
  const words = [BIN, 'explore', ...args, '--json', '--jobs', jobs];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  expect(stderr).toBe('');
  return `${status} ${stdout.replaceAll(/"ms":[\d.]+/g, '')}`;
}

const CASES: [string, string[]][] = [
  ['5 {"test":"three-fresh-mig-mig1-store"', ['three-fresh-mig-mig1-store', '--budget', '560']],
  ['0 {"test":"mig-fork"', ['mig-fork']],
  ['5 {"test":"mig-snap"', ['mig-snap', '--strategy', 'random', '--budget', '600']],
  ['5 {"test":"mig-unmap"', ['mig-unmap', '--faults', '1', '--budget', '90']],
];

it.each(some(CASES, 4))('workers that share one test say the same as one thread does: %s', (begin, args) => {
  const one = explored('1', ...args);
  expect(one.slice(0, begin.length)).toBe(begin);
  for (const jobs of isFull ? ['2', '3'] : ['3']) expect(explored(jobs, ...args)).toBe(one);
});
