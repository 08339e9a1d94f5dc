type Numbers = Int32Array | Float64Array | Uint8Array;

const FIRST_ROOM = 1024;

/** Numbers of one kind, as many as come. */
export class Column<T extends Numbers> {
  length = 0;
  private room: T;

  constructor(private readonly make: new (length: number) => T) {
    this.room = new make(FIRST_ROOM);
  }

  push(value: number): void {
    if (this.length === this.room.length) {
      const more = new this.make(2 * this.length);
      more.set(this.room);
      this.room = more;
    }
    this.room[this.length++] = value;
  }

  at(i: number): number {
    return this.room[i]!;
  }

  set(i: number, value: number): void {
    this.room[i] = value;
  }

  get sizeBytes(): number {
    return this.room.byteLength;
  }
}
