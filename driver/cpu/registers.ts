/** The registers of a thread, wherever they lie: in its own buffer, or in the core's while it runs. */
export class Registers {
  /** Register i in two halves, `x[2 * i]` the low one; `x[64]`, `x[65]` take what is written to x0. */
  readonly x: Int32Array;
  /** The float registers as halves, doubles and singles (the low single of register i is `singles[2 * i]`). */
  readonly f: Int32Array;
  readonly doubles: Float64Array;
  readonly singles: Float32Array;
  /** Rounding mode in bits 5 to 7, accrued flags NV DZ OF UF NX below. */
  readonly fcsr: Int32Array;
  private readonly all: Int32Array;

  constructor(buffer: ArrayBuffer = new ArrayBuffer(REGISTER_BYTES), at = 0) {
    this.x = new Int32Array(buffer, at, 66);
    this.f = new Int32Array(buffer, at + F_OFFSET, 64);
    this.doubles = new Float64Array(buffer, at + F_OFFSET, 32);
    this.singles = new Float32Array(buffer, at + F_OFFSET, 64);
    this.fcsr = new Int32Array(buffer, at + FCSR_OFFSET, 1);
    this.all = new Int32Array(buffer, at, REGISTER_BYTES / 4);
  }

  copyFrom(other: Registers): void {
    this.all.set(other.all);
  }
}

export const F_OFFSET = 264;
export const FCSR_OFFSET = 520;
const REGISTER_BYTES = 528;
