import { beforeEach, expect, it } from 'vitest';
import { Footprints } from '../../../../driver/core/footprint.js';
import { Access, type EntryChange, entryId, Shared } from '../../../../driver/core/observer.js';
import { entryText, Kind, Pte } from '../../../../driver/mm/tables/entry.js';
import { ObservedTable as Table } from '../../../../driver/mm/tables/observed-table.js';
import { testKernel } from '../../helpers.js';

const MM = 3;
const PRESENT = Kind.present | Pte.write;
const LEVELS = ['', 'pte', 'pmd', 'pud', 'pgd'];

/** Writes down every change of an entry, and what the step touched. */
class Recorder extends Footprints {
  changes: string[] = [];

  override entryChanges(mm: number, vpn: number, level: number, { oldLo, oldHi, newLo, newHi }: EntryChange): void {
    const from = `${entryText(oldLo)} ${oldHi}`;
    this.changes.push(`${mm} ${LEVELS[level]} ${vpn}: ${from} -> ${entryText(newLo)} ${newHi}`);
  }
}

let seen: Recorder;
let kernel: ReturnType<typeof testKernel>;
let pmd: Table;

beforeEach(() => {
  kernel = testKernel();
  seen = new Recorder();
  kernel.observe(seen);
  const [root, pud] = [new Table(kernel, false), new Table(kernel, false)];
  pmd = new Table(kernel, false);
  root.becomeRoot(MM);
  root.attach(0, pud);
  pud.attach(1, pmd);
  seen.changes = [];
  seen.stepBegins(kernel.scheduler.newTask('test'));
});

it('tells of each write with both values, at the place where the table hangs', () => {
  const leaf = new Table(kernel, true);
  leaf.set(5, PRESENT, 77);
  expect(seen.changes).toEqual([]);
  pmd.attach(2, leaf);
  const first = 2 ** 18 + 2 * 512;
  leaf.setLo(5, Kind.migration);
  leaf.move(5, leaf, 6);
  expect(pmd.detach(2)).toBe(leaf);
  leaf.clear(6);
  expect(seen.changes).toEqual([
    `3 pmd ${first}: NONE 0 -> TABLE 0`,
    `3 pte ${first + 5}: NONE 0 -> PRESENT W 77`,
    `3 pte ${first + 5}: PRESENT W 77 -> MIG-R 77`,
    `3 pte ${first + 6}: NONE 0 -> MIG-R 77`,
    `3 pte ${first + 5}: MIG-R 77 -> NONE 0`,
    `3 pmd ${first}: TABLE 0 -> NONE 0`,
    `3 pte ${first + 6}: MIG-R 77 -> NONE 0`,
  ]);
});

it('tells of tables that move with the table above', () => {
  const [leaf, pud] = [new Table(kernel, true), new Table(kernel, false)];
  leaf.fill(PRESENT, 1000, 1);
  pmd.attach(0, leaf);
  const root = new Table(kernel, false);
  root.becomeRoot(MM + 1);
  root.attach(1, pud);
  pud.attach(0, pmd);
  seen.changes = [];
  leaf.clear(1);
  expect(seen.changes).toEqual([`4 pte ${2 ** 27 + 1}: PRESENT W 1001 -> NONE 0`]);
});

it('names what is read and written, with and without the lock', () => {
  const leaf = new Table(kernel, true);
  pmd.attach(0, leaf);
  seen.clear();
  const steps = [
    () => leaf.lo(1),
    () => leaf.hiLockless(1),
    () => pmd.child(0),
    () => leaf.clear(1),
    () => pmd.detach(0),
  ].map((work, step) => {
    seen.stepBegins(kernel.scheduler.newTask('test'));
    work();
    seen.stepEnds(kernel.scheduler.newTask('test'), null);
    return seen.textOf(step);
  });
  const first = entryId(MM, 2 ** 18);
  expect(steps).toEqual([
    [`read pte ${first + 1}`],
    [`read lockless pte ${first + 1}`],
    [`read lockless pmd ${first}`],
    [`write pte ${first + 1}`],
    [`write pmd ${first}`, `write pte ${first} and 511 more`],
  ]);
  expect(seen.hasTouched(Shared.pte, first + 511, Access.write)).toBe(true);
});
