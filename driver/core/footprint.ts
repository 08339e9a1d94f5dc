import type { Effect } from './effect.js';
import {
  Access,
  accessesConflict,
  type EntryChange,
  type Observer,
  SHARED_NAMES,
  type SharedKind,
} from './observer.js';
import type { Task } from './task.js';

const FIRST_ROOM = 256;
/** A row is an object and, in so many bits below, how it was touched. */
export const ROW_BITS = 9;
const NO_OVERLAPS: readonly number[] = [];
export const NO_ROWS = new Int32Array(0);
/** Rows that mean the same to everybody: kind, id, count and how, one row after the other. */
export type RowsAnywhere = Float64Array;

/** Numbers for what was ever touched, so that two steps can be compared by numbers: an object, or some neighbours as one. */
class TouchedObjects {
  count = 0;
  kinds = new Uint8Array(FIRST_ROOM);
  ids = new Float64Array(FIRST_ROOM);
  counts = new Float64Array(FIRST_ROOM);
  /** By object: others that have a part of it. */
  readonly overlaps: (readonly number[])[] = [];
  private readonly ofKind: number[][] = SHARED_NAMES.map(() => []);
  private readonly rangesOfKind: number[][] = SHARED_NAMES.map(() => []);
  /** Open addressing; object + 1. */
  private table = new Int32Array(4 * FIRST_ROOM);

  numberOf(kind: SharedKind, id: number, count: number): number {
    const mask = this.table.length - 1;
    let at = slotOf(kind, id) & mask;
    for (let entry = this.table[at]!; entry !== 0; entry = this.table[at]!) {
      const object = entry - 1;
      if (this.ids[object] === id && this.kinds[object] === kind && this.counts[object] === count) return object;
      at = (at + 1) & mask;
    }
    this.table[at] = this.count + 1;
    return this.add(kind, id, count);
  }

  private add(kind: SharedKind, id: number, count: number): number {
    const object = this.count++;
    this.kinds[object] = kind;
    this.ids[object] = id;
    this.counts[object] = count;
    const others = (count > 1 ? this.ofKind : this.rangesOfKind)[kind]!;
    const overlaps = others.filter(
      (other) => this.ids[other]! < id + count && id < this.ids[other]! + this.counts[other]!,
    );
    this.overlaps.push(overlaps.length === 0 ? NO_OVERLAPS : overlaps);
    for (const other of overlaps) this.overlaps[other] = [...this.overlaps[other]!, object];
    this.ofKind[kind]!.push(object);
    if (count > 1) this.rangesOfKind[kind]!.push(object);
    if (this.count === this.kinds.length) this.grow();
    return object;
  }

  private grow(): void {
    this.kinds = grown(this.kinds, Uint8Array);
    this.ids = grown(this.ids, Float64Array);
    this.counts = grown(this.counts, Float64Array);
    this.table = new Int32Array(2 * this.table.length);
    const mask = this.table.length - 1;
    for (let object = 0; object < this.count; object++) {
      let at = slotOf(this.kinds[object]!, this.ids[object]!) & mask;
      while (this.table[at] !== 0) at = (at + 1) & mask;
      this.table[at] = object + 1;
    }
  }
}

function slotOf(kind: number, id: number): number {
  return Math.imul((id % 0x3fffffff) ^ Math.imul(kind + 1, 0x2545f491), 0x9e3779b1) >>> 7;
}

/**
 * The steps of a run and what each touched, as arrays of numbers: nothing is allocated for an access once the arrays have
 * grown. Rows of one step lie together; a step that touches an object twice has one row with the bits of both.
 */
export class Footprints implements Observer {
  readonly objects = new TouchedObjects();
  /** Steps so far; step `s` has the rows from `firstRow[s]` to `firstRow[s + 1]`. */
  steps = 0;
  /** By step: id of the task. */
  taskOf = new Int32Array(FIRST_ROOM);
  firstRow = new Int32Array(FIRST_ROOM + 1);
  /** See `ROW_BITS`. */
  row = new Int32Array(4 * FIRST_ROOM);
  /** By step: where its rows end that say what it has touched. Others may follow, see `mightTouch`. */
  touchedEnd = new Int32Array(FIRST_ROOM);
  /** Rows so far. */
  rows = 0;
  private isInStep = false;
  /** By object: its last row, valid if that is of the running step. */
  private lastRow = new Int32Array(FIRST_ROOM);

  /** Forgets the steps from `steps` on; the room stays. */
  truncate(steps: number): void {
    this.steps = steps;
    this.rows = this.firstRow[steps]!;
    this.isInStep = false;
  }

  clear(): void {
    this.truncate(0);
  }

  stepBegins(task: Task): void {
    this.begins(task.id);
  }

  begins(task: number): void {
    // A step that threw has no end of its own.
    if (this.isInStep) this.ends();
    if (this.steps + 1 === this.taskOf.length) {
      this.taskOf = grown(this.taskOf, Int32Array);
      this.firstRow = grown(this.firstRow, Int32Array);
      this.touchedEnd = grown(this.touchedEnd, Int32Array);
    }
    this.taskOf[this.steps] = task;
    this.firstRow[this.steps] = this.rows;
    this.isInStep = true;
  }

  stepEnds(_task: Task, _effect: Effect | null): void {
    this.ends();
  }

  /** `mightTouch`: rows that the step has had elsewhere. */
  ends(mightTouch: Int32Array = NO_ROWS): void {
    this.touchedEnd[this.steps] = this.rows;
    for (let i = 0; i < mightTouch.length; i++) this.mightTouch(mightTouch[i]!);
    this.steps++;
    this.firstRow[this.steps] = this.rows;
    this.isInStep = false;
  }

  /** In another order of steps this one touches more: what conflicts with that has to do with it too. */
  private mightTouch(row: number): void {
    const last = this.lastRow[row >>> ROW_BITS]!;
    const isTouched = last >= this.firstRow[this.steps]! && last < this.touchedEnd[this.steps]!;
    if (isTouched && this.row[last]! >>> ROW_BITS === row >>> ROW_BITS && (row & ~this.row[last]!) === 0) return;
    this.addRow(row);
  }

  private addRow(row: number): void {
    this.row[this.rows++] = row;
    if (this.rows === this.row.length) this.row = grown(this.row, Int32Array);
  }

  entryChanges(_mm: number, _vpn: number, _level: number, _change: EntryChange): void {}

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    if (!this.isInStep) return;
    const object = this.objects.numberOf(kind, id, count);
    if (object >= this.lastRow.length) this.lastRow = grown(this.lastRow, Int32Array);
    const last = this.lastRow[object]!;
    if (last >= this.firstRow[this.steps]! && last < this.rows && this.row[last]! >>> ROW_BITS === object) {
      if (how !== Access.undone) this.row[last]! |= how;
      else if ((this.row[last]! & Access.read) === 0) this.row[last] = (this.row[last]! & ~Access.write) | Access.add;
      return;
    }
    this.lastRow[object] = this.rows;
    this.addRow((object << ROW_BITS) | how);
  }

  /** Some step has rows of what it might touch. */
  get hasMore(): boolean {
    for (let step = 0; step < this.steps; step++) if (this.touchedEnd[step] !== this.firstRow[step + 1]) return true;
    return false;
  }

  /** Do two steps touch one object in ways that conflict? Then their order may matter. */
  conflict(a: number, b: number): boolean {
    return this.conflictsWith(a, this.rowsOf(b));
  }

  /**
   * As `conflict`, with the rows of a step that has not run here yet, and was looked at before others had run: a reference that it drops
   * may be the last one by now.
   */
  conflictsWith(step: number, rows: Int32Array): boolean {
    const { row, firstRow, objects } = this;
    for (let at = firstRow[step]!; at < firstRow[step + 1]!; at++) {
      const one = row[at]!;
      const overlaps = objects.overlaps[one >>> ROW_BITS]!;
      for (let i = 0; i < rows.length; i++) {
        const other = rows[i]!;
        const isSame = one >>> ROW_BITS === other >>> ROW_BITS;
        if (!isSame && (overlaps.length === 0 || !overlaps.includes(other >>> ROW_BITS))) continue;
        const isLastNext = (one & Access.near) !== 0 && (other & Access.drop) !== 0;
        if (isLastNext || accessesConflict(one, other)) return true;
      }
    }
    return false;
  }

  /** Did two steps touch the same in the same way? */
  areSame(a: number, b: number): boolean {
    const { row, firstRow, touchedEnd } = this;
    const first = firstRow[a]!;
    const shift = firstRow[b]! - first;
    if (touchedEnd[b]! - touchedEnd[a]! !== shift) return false;
    for (let at = first; at < touchedEnd[a]!; at++) if (row[at] !== row[at + shift]) return false;
    return true;
  }

  /** Until the next step begins. */
  rowsOf(step: number): Int32Array {
    return this.row.subarray(this.firstRow[step]!, this.firstRow[step + 1]!);
  }

  anywhere(rows: Int32Array): RowsAnywhere {
    const { kinds, ids, counts } = this.objects;
    const parts = Array.from(rows, (row) => {
      const object = row >>> ROW_BITS;
      return [kinds[object]!, ids[object]!, counts[object]!, row % (1 << ROW_BITS)];
    });
    return Float64Array.from(parts.flat());
  }

  /** The reverse. */
  here(rows: RowsAnywhere): Int32Array {
    return Int32Array.from({ length: rows.length / 4 }, (_, i) => {
      const [kind, id, count, how] = rows.subarray(4 * i, 4 * i + 4) as unknown as [SharedKind, number, number, number];
      const object = this.objects.numberOf(kind, id, count);
      if (object >= this.lastRow.length) this.lastRow = grown(this.lastRow, Int32Array);
      return (object << ROW_BITS) | how;
    });
  }

  /** Did the last step, which may still run, touch the object as `how` says? */
  hasTouched(kind: SharedKind, id: number, how: number): boolean {
    const { kinds, ids, counts } = this.objects;
    const first = this.firstRow[this.isInStep ? this.steps : Math.max(0, this.steps - 1)]!;
    for (let at = this.rows - 1; at >= first; at--) {
      const object = this.row[at]! >>> ROW_BITS;
      const isIn = kinds[object] === kind && ids[object]! <= id && id < ids[object]! + counts[object]!;
      if (isIn && (this.row[at]! & how) === how) return true;
    }
    return false;
  }

  /** For people: `write pte 42`, one line an object. */
  textOf(step: number): string[] {
    const lines: string[] = [];
    const { kinds, ids, counts } = this.objects;
    for (let at = this.firstRow[step]!; at < this.firstRow[step + 1]!; at++) {
      const object = this.row[at]! >>> ROW_BITS;
      const bits = this.row[at]! % (1 << ROW_BITS);
      const how = Object.entries(Access).filter(([, bit]) => (bits & bit) !== 0);
      const more = counts[object] === 1 ? '' : ` and ${counts[object]! - 1} more`;
      lines.push(`${how.map(([name]) => name).join(' ')} ${SHARED_NAMES[kinds[object]!]} ${ids[object]}${more}`);
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
