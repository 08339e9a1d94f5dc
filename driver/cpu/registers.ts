import { At } from './wasm/core-layout.js';

/** As they lie at the beginning of the core's block. */
const REGISTER_BYTES = At.fcsr + 8;

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

  constructor(buffer: ArrayBuffer = new ArrayBuffer(REGISTER_BYTES)) {
    this.x = new Int32Array(buffer, At.x, 66);
    this.f = new Int32Array(buffer, At.f, 64);
    this.doubles = new Float64Array(buffer, At.f, 32);
    this.singles = new Float32Array(buffer, At.f, 64);
    this.fcsr = new Int32Array(buffer, At.fcsr, 1);
    this.all = new Int32Array(buffer, At.x, REGISTER_BYTES / 4);
  }

  copyFrom(other: Registers): void {
    this.all.set(other.all);
  }
}
