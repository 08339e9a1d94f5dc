/** Something that no injected fault excuses. */
export interface Violation {
  /** Which invariant: `content`, `rights`, `books`, `stuck`, or `machine`. */
  readonly kind: string;
  readonly message: string;
  /** Address of the page it names, -1 without. */
  readonly addr: number;
  /** The call after which it was seen. */
  readonly after: string;
}
