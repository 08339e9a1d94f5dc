import { LARGE, LARGE_ADDEND, SMALL, SMALL_ADDEND, SPLIT } from '../isa/quick-float.js';
import { Assembler } from '../wasm/assembler.js';
import { Op, Type } from '../wasm/op.js';

/** The fused operations of quick-float.ts as functions of WebAssembly, which has none. NaN means "ask the reference". */

/** a * b + c of doubles. */
export function multiplyAdd(): Assembler {
  const code = new FloatCode();
  const [a, b, c] = [0, 1, 2];
  code.returnUnless([a, b], [SMALL, LARGE]);
  code.get(c);
  code.f64(0);
  code.op(Op.f64Eq);
  code.open(Op.if);
  code.binary(Op.f64Mul, a, b);
  code.op(Op.return);
  code.close();
  code.returnUnless([c], [SMALL_ADDEND, LARGE_ADDEND]);
  const product = code.twoProduct(a, b);
  const sum = code.twoSum(c, product.error);
  const high = code.twoSum(product.value, sum.value);
  code.oddSum(high.error, sum.error);
  code.get(high.value);
  code.op(Op.f64Add);
  return code;
}

/** The product of two singles is exact in a double, so one rounding to odd is all that is needed. */
export function multiplyAddSingle(): Assembler {
  const code = new FloatCode();
  const result = code.local(Type.f64);
  code.binary(Op.f64Mul, 0, 1);
  code.set(result);
  code.oddSum(result, 2);
  code.op(Op.f32DemoteF64, Op.f64PromoteF32);
  code.set(result);
  code.returnUnless([result], [2 ** -126, Number.POSITIVE_INFINITY]);
  code.get(result);
  return code;
}

interface Inexact {
  readonly value: number;
  readonly error: number;
}

/** A function of three doubles whose steps each have locals of their own. */
class FloatCode extends Assembler {
  constructor() {
    super(3);
  }

  binary(op: number, a: number, b: number): void {
    this.get(a);
    this.get(b);
    this.op(op);
  }

  private result(op: number, a: number, b: number): number {
    const local = this.local(Type.f64);
    this.binary(op, a, b);
    this.set(local);
    return local;
  }

  /** Returns NaN unless the sizes of all are within the limits, both excluded. */
  returnUnless(locals: readonly number[], [small, large]: readonly [number, number]): void {
    locals.forEach((local, i) => {
      this.get(local);
      this.op(Op.f64Abs);
      this.f64(small);
      this.op(Op.f64Gt);
      this.get(local);
      this.op(Op.f64Abs);
      this.f64(large);
      this.op(Op.f64Lt, Op.i32And);
      if (i > 0) this.op(Op.i32And);
    });
    this.op(Op.i32Eqz);
    this.open(Op.if);
    this.f64(Number.NaN);
    this.op(Op.return);
    this.close();
  }

  twoSum(a: number, b: number): Inexact {
    const value = this.result(Op.f64Add, a, b);
    const part = this.result(Op.f64Sub, value, a);
    const rest = this.result(Op.f64Sub, value, part);
    const left = this.result(Op.f64Sub, a, rest);
    const right = this.result(Op.f64Sub, b, part);
    return { value, error: this.result(Op.f64Add, left, right) };
  }

  /** Its high 26 bits and the rest. */
  private split(a: number): readonly [high: number, low: number] {
    const factor = this.local(Type.f64);
    this.f64(SPLIT);
    this.set(factor);
    const big = this.result(Op.f64Mul, a, factor);
    const high = this.result(Op.f64Sub, big, this.result(Op.f64Sub, big, a));
    return [high, this.result(Op.f64Sub, a, high)];
  }

  twoProduct(a: number, b: number): Inexact {
    const value = this.result(Op.f64Mul, a, b);
    const [aHigh, aLow] = this.split(a);
    const [bHigh, bLow] = this.split(b);
    let rest = value;
    for (const [x, y] of [
      [aHigh, bHigh],
      [aLow, bHigh],
      [aHigh, bLow],
    ] as const)
      rest = this.result(Op.f64Sub, rest, this.result(Op.f64Mul, x, y));
    return { value, error: this.result(Op.f64Sub, this.result(Op.f64Mul, aLow, bLow), rest) };
  }

  /** Pushes the sum rounded to odd: an even last digit moves towards what was lost. */
  oddSum(a: number, b: number): void {
    const { value, error } = this.twoSum(a, b);
    this.get(value);
    this.op(Op.i64ReinterpretF64);
    const bits = this.local(Type.i64);
    this.tee(bits);
    this.pushStep(value, error);
    this.get(bits);
    this.i64(1);
    this.op(Op.i64And, Op.i64Eqz);
    this.get(error);
    this.f64(0);
    this.op(Op.f64Ne, Op.i32And, Op.i64ExtendI32U, Op.i64Mul, Op.i64Add, Op.f64ReinterpretI64);
  }

  /** Pushes 1 or -1: away from zero or towards it. */
  private pushStep(value: number, error: number): void {
    this.i64(1);
    this.i64(-1);
    for (const local of [error, value]) {
      this.get(local);
      this.f64(0);
      this.op(Op.f64Gt);
    }
    this.op(Op.i32Eq, Op.select);
  }
}
