/** Who waits for the answer to a request. */
export interface Pending {
  readonly id: number;
  resolve(value: never): void;
  reject(error: Error): void;
  /** Where the answer's bytes are wanted. */
  readonly into?: Uint8Array | undefined;
}

const FIRST_PLACES = 64;

/**
 * Requests without an answer. Their ids count up, so each has its place in a ring that grows when one has been there too long; a Map
 * would be made anew each time that it becomes empty, which is at every call of a client that waits for each.
 */
export class PendingRequests {
  private places: (Pending | undefined)[] = new Array(FIRST_PLACES).fill(undefined);

  add(pending: Pending): void {
    while (this.places[this.placeOf(pending.id)] !== undefined) this.grow();
    this.places[this.placeOf(pending.id)] = pending;
  }

  /** The request of this id, which is then no longer here; undefined when it is not. */
  take(id: number): Pending | undefined {
    const place = this.placeOf(id);
    const pending = this.places[place];
    if (pending?.id !== id) return undefined;
    this.places[place] = undefined;
    return pending;
  }

  takeAll(): Pending[] {
    const all = this.places.filter((pending) => pending !== undefined);
    this.places.fill(undefined);
    return all.sort((a, b) => a.id - b.id);
  }

  private placeOf(id: number): number {
    return id & (this.places.length - 1);
  }

  private grow(): void {
    const all = this.takeAll();
    this.places = new Array(2 * this.places.length).fill(undefined);
    for (const pending of all) this.places[this.placeOf(pending.id)] = pending;
  }
}
