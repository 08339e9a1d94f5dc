import { Access, GET_ALIVE, lastDrop, Shared, type SharedKind } from '../../core/observer.js';
import { Frames, PG, type ZoneId } from './frames.js';

const READ_LOCKLESS = Access.read | Access.lockless;
/** What a folio is; another object than the state that it is in. */
const SHAPE_FLAGS = PG.anon | PG.head | PG.tail | PG.hugetlb | PG.reserved;
const STATE_FLAGS = ~(PG.locked | SHAPE_FLAGS);

const ALL_OF_A_PAGE = [
  Shared.refcount,
  Shared.pincount,
  Shared.mapcount,
  Shared.folioLock,
  Shared.pageFlags,
  Shared.pageMapping,
  Shared.folioShape,
] as const;

/**
 * Frames whose accesses the kernel's observer is told of, each before it happens. References, mappings and flags are
 * atomic in Linux: whoever reads them has no lock that keeps them.
 */
export class ObservedFrames extends Frames {
  override refcount(pfn: number): number {
    this.touch(Shared.refcount, pfn, READ_LOCKLESS);
    return super.refcount(pfn);
  }

  override hasRefcountAtMost(pfn: number, most: number): boolean {
    const isWithin = this.raw.refcount[pfn]! <= most;
    this.touch(Shared.refcount, pfn, Access.lockless | (isWithin ? Access.within : Access.beyond));
    return super.hasRefcountAtMost(pfn, most);
  }

  override addRefcount(pfn: number, count: number): void {
    this.touch(Shared.refcount, pfn, Access.add);
    super.addRefcount(pfn, count);
  }

  override addRefcountUnlessZero(pfn: number, count: number): boolean {
    this.touch(Shared.refcount, pfn, GET_ALIVE);
    const isAlive = super.addRefcountUnlessZero(pfn, count);
    if (!isAlive) this.touch(Shared.refcount, pfn, READ_LOCKLESS);
    return isAlive;
  }

  override dropRefcount(pfn: number, count: number): number {
    this.touch(Shared.refcount, pfn, count === 1 ? Access.drop : Access.write);
    const left = super.dropRefcount(pfn, count);
    this.touch(Shared.refcount, pfn, lastDrop(left));
    return left;
  }

  override setRefcount(pfn: number, value: number): void {
    this.touch(Shared.refcount, pfn, Access.write);
    super.setRefcount(pfn, value);
  }

  override mapcount(pfn: number): number {
    this.touch(Shared.mapcount, pfn, READ_LOCKLESS);
    return super.mapcount(pfn);
  }

  override addMapcount(pfn: number, count: number): number {
    this.touch(Shared.mapcount, pfn, Access.write);
    return super.addMapcount(pfn, count);
  }

  override addMapcounts(pfn: number, nr: number, count: number): number {
    for (let page = pfn; page < pfn + nr; page++) this.touch(Shared.mapcount, page, Access.write);
    return super.addMapcounts(pfn, nr, count);
  }

  override setMapcount(pfn: number, value: number): void {
    this.touch(Shared.mapcount, pfn, Access.write);
    super.setMapcount(pfn, value);
  }

  override entireMapcount(pfn: number): number {
    this.touch(Shared.mapcount, pfn, READ_LOCKLESS);
    return super.entireMapcount(pfn);
  }

  override addEntireMapcount(pfn: number, count: number): number {
    this.touch(Shared.mapcount, pfn, Access.write);
    return super.addEntireMapcount(pfn, count);
  }

  override setEntireMapcount(pfn: number, value: number): void {
    this.touch(Shared.mapcount, pfn, Access.write);
    super.setEntireMapcount(pfn, value);
  }

  override folioMapcount(pfn: number): number {
    this.touch(Shared.mapcount, pfn, READ_LOCKLESS);
    return super.folioMapcount(pfn);
  }

  override addFolioMapcount(pfn: number, count: number): number {
    this.touch(Shared.mapcount, pfn, Access.write);
    return super.addFolioMapcount(pfn, count);
  }

  override setFolioMapcount(pfn: number, value: number): void {
    this.touch(Shared.mapcount, pfn, Access.write);
    super.setFolioMapcount(pfn, value);
  }

  override pincount(pfn: number): number {
    this.touch(Shared.pincount, pfn, READ_LOCKLESS);
    return super.pincount(pfn);
  }

  override addPincount(pfn: number, count: number): number {
    this.touch(Shared.pincount, pfn, Access.write);
    return super.addPincount(pfn, count);
  }

  override setPincount(pfn: number, value: number): void {
    this.touch(Shared.pincount, pfn, Access.write);
    super.setPincount(pfn, value);
  }

  override flags(pfn: number): number {
    this.touchFlags(pfn, ~PG.locked, READ_LOCKLESS);
    return super.flags(pfn);
  }

  override hasFlags(pfn: number, mask: number): boolean {
    this.touchFlags(pfn, mask, READ_LOCKLESS);
    return super.hasFlags(pfn, mask);
  }

  override setFlags(pfn: number, mask: number): void {
    this.touchFlags(pfn, mask, Access.write);
    super.setFlags(pfn, mask);
  }

  override setFlagsOfPages(pfn: number, nr: number, mask: number): void {
    for (let page = pfn; page < pfn + nr; page++) this.touchFlags(page, mask, Access.write);
    super.setFlagsOfPages(pfn, nr, mask);
  }

  override clearFlags(pfn: number, mask: number): void {
    this.touchFlags(pfn, mask, Access.write);
    super.clearFlags(pfn, mask);
  }

  override writeFlags(pfn: number, flags: number): void {
    this.touchFlags(pfn, -1, Access.write);
    super.writeFlags(pfn, flags);
  }

  override mapping(pfn: number): number {
    this.touch(Shared.pageMapping, pfn, Access.read);
    return super.mapping(pfn);
  }

  override setMapping(pfn: number, value: number): void {
    this.touch(Shared.pageMapping, pfn, Access.write);
    super.setMapping(pfn, value);
  }

  override index(pfn: number): number {
    this.touch(Shared.pageMapping, pfn, Access.read);
    return super.index(pfn);
  }

  override setIndex(pfn: number, value: number): void {
    this.touch(Shared.pageMapping, pfn, Access.write);
    super.setIndex(pfn, value);
  }

  override head(pfn: number): number {
    this.touch(Shared.folioShape, pfn, Access.read);
    return super.head(pfn);
  }

  override setHead(pfn: number, value: number): void {
    this.touch(Shared.folioShape, pfn, Access.write);
    super.setHead(pfn, value);
  }

  override order(pfn: number): number {
    this.touch(Shared.folioShape, pfn, Access.read);
    return super.order(pfn);
  }

  override setOrder(pfn: number, value: number): void {
    this.touch(Shared.folioShape, pfn, Access.write);
    super.setOrder(pfn, value);
  }

  override lockOwner(pfn: number): number {
    this.touch(Shared.folioLock, pfn, Access.read);
    return super.lockOwner(pfn);
  }

  override setLockOwner(pfn: number, value: number): void {
    this.touch(Shared.folioLock, pfn, Access.write);
    super.setLockOwner(pfn, value);
  }

  override swapSlot(pfn: number): number {
    this.touch(Shared.folioShape, pfn, Access.read);
    return super.swapSlot(pfn);
  }

  override setSwapSlot(pfn: number, value: number): void {
    this.touch(Shared.folioShape, pfn, Access.write);
    super.setSwapSlot(pfn, value);
  }

  override zoneDeviceData(pfn: number): number {
    this.touch(Shared.pageMapping, pfn, Access.read);
    return super.zoneDeviceData(pfn);
  }

  override setZoneDeviceData(pfn: number, value: number): void {
    this.touch(Shared.pageMapping, pfn, Access.write);
    super.setZoneDeviceData(pfn, value);
  }

  override prepare(pfn: number, zone: ZoneId, pagemap: number): void {
    this.touchAll(pfn, 1);
    super.prepare(pfn, zone, pagemap);
  }

  override prepareFolio(head: number, order: number, where: { zone: ZoneId; pagemap: number }): void {
    this.touchAll(head, 1 << order);
    super.prepareFolio(head, order, where);
  }

  override splitPage(head: number): void {
    this.touchAll(head, this.folioNrPages(head));
    super.splitPage(head);
  }

  private touch(kind: SharedKind, pfn: number, how: number): void {
    this.kernel.observer!.touch(kind, pfn, how, 1);
  }

  /** The lock bit, what the folio is and the other flags are objects of their own. */
  private touchFlags(pfn: number, mask: number, how: number): void {
    if (mask & PG.locked) this.touch(Shared.folioLock, pfn, how);
    if (mask & SHAPE_FLAGS) this.touch(Shared.folioShape, pfn, how);
    if (mask & STATE_FLAGS) this.touch(Shared.pageFlags, pfn, how);
  }

  /** Pages begin a new life, or a folio becomes pages. */
  private touchAll(pfn: number, count: number): void {
    for (const kind of ALL_OF_A_PAGE) this.kernel.observer!.touch(kind, pfn, Access.write, count);
  }
}
