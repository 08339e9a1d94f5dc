import { CellIndex } from './cell-index.js';
import { Column } from './column.js';
import { firstWhere } from './first-where.js';

/** What can change: a kind of cell, and an id among those. Values are numbers; of the kinds from `vmas` on they are places in `objects`. */
export const Cell = {
  /** Entries by `entryId(mm, vpn)`, see `entryValue`. */
  pte: 0,
  pmd: 1,
  /** Of folios, by pfn. */
  refcount: 2,
  mapcount: 3,
  flags: 4,
  lockOwner: 5,
  head: 6,
  order: 7,
  /** By `entryId(file, vpn)`. */
  mirror: 8,
  /** By mm. */
  notifierSeq: 9,
  notifierActive: 10,
  vmas: 11,
  /** Address spaces, device files and chunks of device memory that there are; id 0. */
  spaces: 12,
  files: 13,
  chunks: 14,
  /** By id. */
  task: 15,
} as const;
export type CellKind = (typeof Cell)[keyof typeof Cell];

export function isObject(kind: CellKind): boolean {
  return kind >= Cell.vmas;
}

/** Kind and flags of an entry stay below. */
const LO_VALUES = 2 ** 16;

/** Both halves of an entry as one number. */
export function entryValue(lo: number, hi: number): number {
  return hi * LO_VALUES + lo;
}

export function loOf(value: number): number {
  return value % LO_VALUES;
}

export function hiOf(value: number): number {
  return Math.floor(value / LO_VALUES);
}

/** A cell got another value. `row` is its place among all changes, and `path` the place of the functions that did it, -1 for unknown. */
export interface Row {
  readonly row: number;
  readonly step: number;
  readonly kind: CellKind;
  readonly id: number;
  readonly old: number;
  readonly new: number;
  readonly path: number;
}

/**
 * Every value that every cell has had: what was written down of a run, in columns. A cell is known from its first change on; before and
 * without one it is as the machine has it.
 */
export class History {
  /** Steps so far. Their changes have the rows from `endOf(step - 1)` to `endOf(step)`. */
  steps = 0;
  private readonly cells = Object.values(Cell).map(() => new CellIndex());
  private readonly kinds = new Column(Uint8Array);
  private readonly ids = new Column(Float64Array);
  private readonly firsts = new Column(Float64Array);
  private readonly lasts = new Column(Float64Array);
  private readonly rowCell = new Column(Int32Array);
  private readonly rowValue = new Column(Float64Array);
  private readonly rowPath = new Column(Int32Array);
  private readonly ends = new Column(Int32Array);
  /** Rows by cell, made when the run is over. */
  private order = { rows: new Int32Array(0), first: new Int32Array(0) };

  constructor() {
    this.ends.push(0);
  }

  get rows(): number {
    return this.rowCell.length;
  }

  get sizeBytes(): number {
    const { kinds, ids, firsts, lasts, rowCell, rowValue, rowPath, ends } = this;
    const parts = [kinds, ids, firsts, lasts, rowCell, rowValue, rowPath, ends, ...this.cells];
    return parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** The number of a cell; `first` is asked for its value when nothing was known of it. */
  cellOf(kind: CellKind, id: number, first: (kind: CellKind, id: number) => number): number {
    const known = this.cells[kind]!.get(id);
    if (known !== undefined) return known;
    const cell = this.kinds.length;
    this.cells[kind]!.set(id, cell);
    this.kinds.push(kind);
    this.ids.push(id);
    const value = first(kind, id);
    this.firsts.push(value);
    this.lasts.push(value);
    return cell;
  }

  kindAndId(cell: number): { kind: CellKind; id: number } {
    return { kind: this.kinds.at(cell) as CellKind, id: this.ids.at(cell) };
  }

  last(cell: number): number {
    return this.lasts.at(cell);
  }

  /** In the step that runs. */
  change(cell: number, value: number, path: number): void {
    this.lasts.set(cell, value);
    this.rowCell.push(cell);
    this.rowValue.push(value);
    this.rowPath.push(path);
  }

  endStep(): void {
    this.steps++;
    this.ends.push(this.rows);
  }

  /** After `step` steps; undefined for what never changed. */
  valueAt(kind: CellKind, id: number, step: number): number | undefined {
    const cell = this.cells[kind]!.get(id);
    if (cell === undefined) return undefined;
    const at = this.lastBefore(cell, this.ends.at(step));
    return at < 0 ? this.firsts.at(cell) : this.rowValue.at(at);
  }

  /** Rows of one step, from 1. */
  rowsOf(step: number): Row[] {
    const rows: Row[] = [];
    for (let row = this.ends.at(step - 1); row < this.ends.at(step); row++) rows.push(this.rowAt(row, step));
    return rows;
  }

  /** Places of the functions that changed something in a step. */
  pathsOf(step: number): number[] {
    const [from, end] = [this.ends.at(step - 1), this.ends.at(step)];
    return Array.from({ length: end - from }, (_, i) => this.rowPath.at(from + i));
  }

  /** Rows of one cell. */
  changesOf(kind: CellKind, id: number): Row[] {
    return this.lastChanges(kind, id, { end: this.rows, most: Number.POSITIVE_INFINITY });
  }

  /** The last rows of one cell, `most` at most, after `step` steps. */
  changesUntil(kind: CellKind, id: number, { step, most }: { step: number; most: number }): Row[] {
    return this.lastChanges(kind, id, { end: this.ends.at(step), most });
  }

  private lastChanges(kind: CellKind, id: number, { end, most }: { end: number; most: number }): Row[] {
    const cell = this.cells[kind]!.get(id);
    if (cell === undefined) return [];
    const { rows, first } = this.order;
    const to = this.placeOf(cell, end);
    const last = rows.subarray(Math.max(first[cell]!, to - most), to);
    return Array.from(last, (row) => this.rowAt(row, this.stepOf(row)));
  }

  /** Ids of a kind that have changed. */
  changed(kind: CellKind): Iterable<number> {
    return this.cells[kind]!.ids();
  }

  private rowAt(row: number, step: number): Row {
    const cell = this.rowCell.at(row);
    const before = this.lastBefore(cell, row);
    return {
      row,
      step,
      ...this.kindAndId(cell),
      old: before < 0 ? this.firsts.at(cell) : this.rowValue.at(before),
      new: this.rowValue.at(row),
      path: this.rowPath.at(row),
    };
  }

  /** The step that a row is of. */
  private stepOf(row: number): number {
    return firstWhere(0, this.steps, (step) => this.ends.at(step) > row);
  }

  /** The last row of a cell before row `end`; -1 when there is none. */
  private lastBefore(cell: number, end: number): number {
    const { rows, first } = this.order;
    const at = this.placeOf(cell, end);
    return at === first[cell] ? -1 : rows[at - 1]!;
  }

  /** In `order`: behind the rows of a cell that are before row `end`. */
  private placeOf(cell: number, end: number): number {
    const { rows, first } = this.order;
    return firstWhere(first[cell]!, first[cell + 1]!, (i) => rows[i]! >= end);
  }

  /** The run is over, and can be asked about. */
  freeze(): void {
    const first = new Int32Array(this.kinds.length + 1);
    for (let row = 0; row < this.rows; row++) first[this.rowCell.at(row) + 1]!++;
    for (let cell = 0; cell < this.kinds.length; cell++) first[cell + 1]! += first[cell]!;
    const next = first.slice();
    const rows = new Int32Array(this.rows);
    for (let row = 0; row < this.rows; row++) rows[next[this.rowCell.at(row)]!++] = row;
    this.order = { rows, first };
  }
}
