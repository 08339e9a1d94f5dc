import { Access, type EntryChange, entryId, Shared, type SharedKind } from '../../core/observer.js';
import { KIND_MASK, Kind } from './entry.js';
import { ENTRIES_PER_TABLE, SPAN, Table } from './table.js';

const READ_LOCKLESS = Access.read | Access.lockless;
const PEEK_LOCKLESS = Access.peek | Access.lockless;

/** The one change that is being told of. */
const CHANGE: EntryChange = { oldLo: 0, oldHi: 0, newLo: 0, newHi: 0 };

/** A table whose accesses the kernel's observer is told of, each before it happens. */
export class ObservedTable extends Table {
  override lo(i: number): number {
    this.touch(i, Access.read, 1);
    return super.lo(i);
  }

  override hi(i: number): number {
    this.touch(i, Access.read, 1);
    return super.hi(i);
  }

  override loLockless(i: number): number {
    this.touch(i, READ_LOCKLESS, 1);
    return super.loLockless(i);
  }

  override hiLockless(i: number): number {
    this.touch(i, READ_LOCKLESS, 1);
    return super.hiLockless(i);
  }

  override loOfMmu(i: number): number {
    this.touch(i, PEEK_LOCKLESS, 1);
    return super.loOfMmu(i);
  }

  override hiOfMmu(i: number): number {
    this.touch(i, PEEK_LOCKLESS, 1);
    return super.hiOfMmu(i);
  }

  override setUsed(i: number, lo: number): void {
    this.change(i, { lo, hi: super.hi(i), how: Access.add });
    super.setUsed(i, lo);
  }

  override child(i: number): Table | null {
    this.touch(i, READ_LOCKLESS, 1);
    return super.child(i);
  }

  override set(i: number, lo: number, hi: number): void {
    this.change(i, { lo, hi, how: Access.write });
    super.set(i, lo, hi);
  }

  override nextUsed(i: number, end: number): number {
    let at = i;
    while (at < end && this.lo(at) === Kind.none) at++;
    return at;
  }

  override runLength(i: number, most: number, ignored: number): number {
    const nr = super.runLength(i, most, ignored);
    this.touch(i, Access.read, Math.min(nr + 1, most));
    return nr;
  }

  override setLo(i: number, lo: number): void {
    this.change(i, { lo, hi: super.hi(i), how: Access.write });
    super.setLo(i, lo);
  }

  override clear(i: number, count = 1): void {
    for (let at = i; at < i + count; at++) this.set(at, Kind.none, 0);
  }

  /** An address space ends: its entries are gone, and now its tables go. */
  override clearTree(release: (table: Table) => void): void {
    this.touch(0, Access.write, ENTRIES_PER_TABLE);
    super.clearTree(release);
  }

  protected override place(mmId: number, level: number, firstVpn: number): void {
    this.tellOfAll(false);
    super.place(mmId, level, firstVpn);
    this.tellOfAll(true);
  }

  private touch(i: number, how: number, count: number): void {
    if (this.mmId === 0) return;
    const span = SPAN[this.level]!;
    const kind = (Shared.pte - 1 + this.level) as SharedKind;
    // Neighbours in a table of a higher level are no neighbours by id, so each is named.
    if (span === 1) this.kernel.observer!.touch(kind, entryId(this.mmId, this.firstVpn + i), how, count);
    else
      for (let n = i; n < i + count; n++)
        this.kernel.observer!.touch(kind, entryId(this.mmId, this.firstVpn + n * span), how, 1);
  }

  private change(i: number, { lo, hi, how }: { lo: number; hi: number; how: number }): void {
    if (this.mmId === 0) return;
    this.touch(i, how, 1);
    CHANGE.oldLo = super.lo(i);
    CHANGE.oldHi = super.hi(i);
    CHANGE.newLo = lo;
    CHANGE.newHi = hi;
    this.tell(i);
  }

  /** What comes into the tree with its table, or leaves it, changes from none or to none. */
  private tellOfAll(isComing: boolean): void {
    if (this.mmId === 0) return;
    this.touch(0, Access.write, ENTRIES_PER_TABLE);
    for (let i = 0; i < ENTRIES_PER_TABLE; i++) {
      const lo = super.lo(i);
      const kind = lo & KIND_MASK;
      if (kind === Kind.none || kind === Kind.table) continue;
      CHANGE.oldLo = isComing ? Kind.none : lo;
      CHANGE.oldHi = isComing ? 0 : super.hi(i);
      CHANGE.newLo = isComing ? lo : Kind.none;
      CHANGE.newHi = isComing ? super.hi(i) : 0;
      this.tell(i);
    }
  }

  private tell(i: number): void {
    this.kernel.observer!.entryChanges(this.mmId, this.firstVpn + i * SPAN[this.level]!, this.level, CHANGE);
  }
}
