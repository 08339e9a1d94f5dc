import type { Effect } from './effect.js';
import { Access, type EntryChange, type Observer, SHARED_NAMES, type SharedKind } from './observer.js';
import type { Task } from './task.js';

const FIRST_ROOM = 4096;

/**
 * The steps of a run and what each touched, as arrays of numbers: nothing is allocated for an access once the arrays have
 * grown. Rows of one step lie together; a step that touches an object twice has one row with the bits of both.
 */
export class Footprints implements Observer {
  /** Steps so far; step `s` has the rows from `firstRow[s]` to `firstRow[s + 1]`. */
  steps = 0;
  /** Rows so far. */
  rows = 0;
  /** By step: id of the task. */
  taskOf = new Int32Array(FIRST_ROOM);
  firstRow = new Int32Array(FIRST_ROOM + 1);
  /** By row: what was touched, how, and how many neighbours with it. */
  kinds = new Uint8Array(FIRST_ROOM);
  ids = new Float64Array(FIRST_ROOM);
  counts = new Float64Array(FIRST_ROOM);
  hows = new Uint8Array(FIRST_ROOM);
  private isInStep = false;
  /** Finds the row of an object within the running step: row + 1, valid if it is not below the step's first row. */
  private table = new Int32Array(2 * FIRST_ROOM);

  /** Forgets all steps; the room stays. */
  clear(): void {
    this.steps = 0;
    this.rows = 0;
    this.isInStep = false;
    this.table.fill(0);
  }

  stepBegins(task: Task): void {
    // A step that threw has no end of its own.
    if (this.isInStep) this.stepEnds(task, null);
    if (this.steps + 1 === this.taskOf.length) {
      this.taskOf = grown(this.taskOf, Int32Array);
      this.firstRow = grown(this.firstRow, Int32Array);
    }
    this.taskOf[this.steps] = task.id;
    this.firstRow[this.steps] = this.rows;
    this.isInStep = true;
  }

  stepEnds(_task: Task, _effect: Effect | null): void {
    this.steps++;
    this.firstRow[this.steps] = this.rows;
    this.isInStep = false;
  }

  entryChanges(_mm: number, _vpn: number, _level: number, _change: EntryChange): void {}

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    if (!this.isInStep) return;
    const { table } = this;
    const mask = table.length - 1;
    const first = this.firstRow[this.steps]!;
    let at = (Math.imul((id % 0x3fffffff) ^ Math.imul(kind + 1, 0x2545f491), 0x9e3779b1) >>> 7) & mask;
    for (let row = table[at]! - 1; row >= first && row < this.rows; row = table[at]! - 1) {
      if (this.ids[row] === id && this.kinds[row] === kind && this.counts[row] === count) {
        this.hows[row]! |= how;
        return;
      }
      at = (at + 1) & mask;
    }
    table[at] = this.rows + 1;
    this.addRow(kind, id, how, count);
  }

  private addRow(kind: SharedKind, id: number, how: number, count: number): void {
    const { rows } = this;
    this.kinds[rows] = kind;
    this.ids[rows] = id;
    this.hows[rows] = how;
    this.counts[rows] = count;
    this.rows++;
    if (this.rows === this.kinds.length) this.growRows();
  }

  private growRows(): void {
    this.kinds = grown(this.kinds, Uint8Array);
    this.ids = grown(this.ids, Float64Array);
    this.counts = grown(this.counts, Float64Array);
    this.hows = grown(this.hows, Uint8Array);
    this.table = new Int32Array(2 * this.kinds.length);
    // Rows of the running step may get a second row, which says no more than the first.
  }

  /** Do two steps touch one object, and one of them writes it? Then their order may matter. */
  conflict(a: number, b: number): boolean {
    for (let i = this.firstRow[a]!; i < this.firstRow[a + 1]!; i++) {
      for (let j = this.firstRow[b]!; j < this.firstRow[b + 1]!; j++) {
        if (((this.hows[i]! | this.hows[j]!) & Access.write) !== 0 && this.overlap(i, j)) return true;
      }
    }
    return false;
  }

  private overlap(i: number, j: number): boolean {
    if (this.kinds[i] !== this.kinds[j]) return false;
    return this.ids[i]! < this.ids[j]! + this.counts[j]! && this.ids[j]! < this.ids[i]! + this.counts[i]!;
  }

  /** Did the last step, which may still run, touch the object as `how` says? */
  hasTouched(kind: SharedKind, id: number, how: number): boolean {
    const first = this.firstRow[this.isInStep ? this.steps : Math.max(0, this.steps - 1)]!;
    for (let row = this.rows - 1; row >= first; row--) {
      const isIn = this.kinds[row] === kind && this.ids[row]! <= id && id < this.ids[row]! + this.counts[row]!;
      if (isIn && (this.hows[row]! & how) === how) return true;
    }
    return false;
  }

  /** For people: `write pte 42`, one line an object. */
  textOf(step: number): string[] {
    const lines: string[] = [];
    for (let row = this.firstRow[step]!; row < this.firstRow[step + 1]!; row++) {
      const how = Object.entries(Access).filter(([, bit]) => (this.hows[row]! & bit) !== 0);
      const more = this.counts[row] === 1 ? '' : ` and ${this.counts[row]! - 1} more`;
      lines.push(`${how.map(([name]) => name).join(' ')} ${SHARED_NAMES[this.kinds[row]!]} ${this.ids[row]}${more}`);
    }
    return lines;
  }
}

type Numbers = Int32Array | Uint8Array | Float64Array;

function grown<T extends Numbers>(old: T, make: new (length: number) => T): T {
  const more = new make(old.length * 2);
  more.set(old);
  return more;
}
