import { type Footprints, ROW_BITS } from '../core/footprint.js';
import { Access } from '../core/observer.js';

/** Tasks and the clock, together. */
export const MAX_ACTORS = 16;
const FIRST_EVENTS = 64;
const HOW = (1 << ROW_BITS) - 1;
const { write, read, add, drop, near, peek, within, beyond } = Access;
/**
 * The cells of an object are columns of actors: when each last touched it in that way. With a column what must have come before for the
 * order to matter: to be told that there are few enough references what comes before is that one went, and so on.
 */
const COLUMNS: readonly (readonly [bit: number, before: number])[] = [
  [write, HOW],
  [read, write | add | drop],
  [add, write | read | within],
  [drop, write | read | beyond],
  [peek, write],
  [within, write | drop],
  [beyond, write | add],
  // The other way round it would have been the last reference.
  [near, peek],
];
/** Cells of an object. */
const CELLS = COLUMNS.length * MAX_ACTORS;
/** By the bits of an access: in which columns it is noted, and in which it looks. */
const NOTED = columnsOf((how, [bit]) => (how & bit) !== 0);
const LOOKED_IN = columnsOf((how, [bit]) => COLUMNS.some(([of, before]) => (how & of) !== 0 && (before & bit) !== 0));

function columnsOf(isIn: (how: number, column: (typeof COLUMNS)[number]) => boolean): Uint8Array {
  return Uint8Array.from({ length: 1 << ROW_BITS }, (_, how) =>
    COLUMNS.reduce((mask, column, i) => (isIn(how, column) ? mask | (1 << i) : mask), 0),
  );
}

/**
 * The steps of a schedule as a partial order: a step comes after those of its own task, after the step that let it run, and after
 * those before it that it conflicts with. Schedules with the same partial order can't be told apart. Events are numbered from 0.
 */
export class HappensBefore {
  events = 0;
  /** By event: its actor. */
  actorOf = new Uint8Array(FIRST_EVENTS);
  /** By event: for each actor how many events there are up to the last one that comes before this event; of its own, with itself. */
  clocks = new Int32Array(FIRST_EVENTS * MAX_ACTORS);
  /** Events that the last one races with: they conflict, and nothing else orders the two. */
  readonly races: number[] = [];
  private previous = new Int32Array(FIRST_EVENTS);
  private readonly lastOf = new Int32Array(MAX_ACTORS);
  /** The first object's are by whom each actor was let run last. */
  private cells = new Int32Array(CELLS * 32);
  private readonly found = new Int32Array(MAX_ACTORS);
  private readonly base = new Int32Array(MAX_ACTORS);
  private undoCell = new Int32Array(512);
  private undoValue = new Int32Array(512);
  private undos = 0;
  private undosBefore = new Int32Array(FIRST_EVENTS);

  /** `onlyTouched`: what a step might touch in another order does not count. */
  constructor(
    private readonly footprints: Footprints,
    private readonly onlyTouched = false,
  ) {}

  /** The next event is the step of `actor` with the footprint of that number. */
  add(actor: number, actors: number): void {
    if (this.events + 1 === this.actorOf.length) this.grow();
    const { events, base, found, lastOf } = this;
    this.undosBefore[events] = this.undos;
    this.actorOf[events] = actor;
    this.previous[events] = lastOf[actor]!;
    base.fill(0, 0, actors);
    this.join(base, lastOf[actor]!, actors);
    this.join(base, this.cells[actor]!, actors);
    found.fill(0, 0, actors);
    this.findConflicts(actor, actors);
    this.findRaces(actors);
    const clock = events * MAX_ACTORS;
    for (let a = 0; a < actors; a++) if (found[a]! > 0) this.join(base, found[a]!, actors);
    base[actor] = events + 1;
    for (let a = 0; a < MAX_ACTORS; a++) this.clocks[clock + a] = a < actors ? base[a]! : 0;
    lastOf[actor] = events + 1;
    this.events++;
  }

  /** The last event let `actor` run. */
  enables(actor: number): void {
    this.write(actor, this.events);
  }

  /** Does event `a` come before event `b` in every schedule of this order? */
  isBefore(a: number, b: number): boolean {
    return this.clocks[b * MAX_ACTORS + this.actorOf[a]!]! > a;
  }

  /** The event of the same actor before `event`, -1 without. */
  previousOf(event: number): number {
    return this.previous[event]! - 1;
  }

  /** Between two events of one actor nothing that others did mattered to it. */
  isUndisturbed(first: number, last: number): boolean {
    const actor = this.actorOf[first]!;
    for (let a = 0; a < MAX_ACTORS; a++) {
      if (a !== actor && this.clocks[first * MAX_ACTORS + a] !== this.clocks[last * MAX_ACTORS + a]) return false;
    }
    return true;
  }

  /** Forgets all events from `events` on. */
  truncate(events: number): void {
    if (events >= this.events) return;
    const to = this.undosBefore[events]!;
    while (this.undos > to) {
      this.undos--;
      this.cells[this.undoCell[this.undos]!] = this.undoValue[this.undos]!;
    }
    while (this.events > events) {
      this.events--;
      this.lastOf[this.actorOf[this.events]!] = this.previous[this.events]!;
    }
  }

  /** Into `found`: by other actors the last event that conflicts with the new one, counted from 1. The new one's accesses are noted. */
  private findConflicts(actor: number, actors: number): void {
    const { footprints, events } = this;
    const { row, firstRow, touchedEnd, objects } = footprints;
    const end = this.onlyTouched ? touchedEnd[events]! : firstRow[events + 1]!;
    const room = (objects.count + 1) * CELLS;
    if (room > this.cells.length) this.growCells(room);
    for (let at = firstRow[events]!; at < end; at++) {
      const object = row[at]! >>> ROW_BITS;
      const how = row[at]!;
      this.look(object, how, actors);
      const overlaps = objects.overlaps[object]!;
      for (let i = 0; i < overlaps.length; i++) this.look(overlaps[i]!, how, actors);
    }
    this.found[actor] = 0;
    for (let at = firstRow[events]!; at < end; at++) {
      const cell = ((row[at]! >>> ROW_BITS) + 1) * CELLS + actor;
      const columns = NOTED[row[at]! & HOW]!;
      for (let i = 0; columns >>> i !== 0; i++) if ((columns >>> i) & 1) this.write(cell + i * MAX_ACTORS, events + 1);
    }
  }

  private look(object: number, how: number, actors: number): void {
    const cell = (object + 1) * CELLS;
    const columns = LOOKED_IN[how & HOW]!;
    for (let i = 0; columns >>> i !== 0; i++) if ((columns >>> i) & 1) this.latest(cell + i * MAX_ACTORS, actors);
  }

  private latest(cell: number, actors: number): void {
    const { cells, found } = this;
    for (let a = 0; a < actors; a++) if (cells[cell + a]! > found[a]!) found[a] = cells[cell + a]!;
  }

  /** Of the conflicts those that no other one and nothing before the new event orders. */
  private findRaces(actors: number): void {
    const { found, base, clocks, races } = this;
    races.length = 0;
    for (let a = 0; a < actors; a++) {
      if (found[a]! <= base[a]!) continue;
      let isDirect = true;
      for (let b = 0; b < actors && isDirect; b++)
        if (b !== a && found[b]! > base[b]!) isDirect = clocks[(found[b]! - 1) * MAX_ACTORS + a]! < found[a]!;
      if (isDirect) races.push(found[a]! - 1);
    }
  }

  private join(into: Int32Array, event: number, actors: number): void {
    if (event === 0) return;
    const clock = (event - 1) * MAX_ACTORS;
    for (let a = 0; a < actors; a++) if (this.clocks[clock + a]! > into[a]!) into[a] = this.clocks[clock + a]!;
  }

  private write(cell: number, value: number): void {
    if (this.undos === this.undoCell.length) {
      this.undoCell = doubled(this.undoCell);
      this.undoValue = doubled(this.undoValue);
    }
    this.undoCell[this.undos] = cell;
    this.undoValue[this.undos++] = this.cells[cell]!;
    this.cells[cell] = value;
  }

  private grow(): void {
    const more = new Uint8Array(2 * this.actorOf.length);
    more.set(this.actorOf);
    this.actorOf = more;
    this.clocks = doubled(this.clocks);
    this.previous = doubled(this.previous);
    this.undosBefore = doubled(this.undosBefore);
  }

  private growCells(room: number): void {
    while (this.cells.length < room) this.cells = doubled(this.cells);
  }
}

function doubled(old: Int32Array): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * old.length);
  more.set(old);
  return more;
}
