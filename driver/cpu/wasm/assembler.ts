import { Op, Type, type ValueType } from './op.js';

/** Bytes of one function's code, and the types of its locals. */
export class Assembler {
  readonly code: number[] = [];
  /** Behind the parameters. */
  readonly locals: ValueType[] = [];
  /** What is open around the next instruction, the innermost last. */
  private readonly labels: object[] = [];

  constructor(private readonly parameters: number) {}

  local(type: ValueType): number {
    return this.parameters + this.locals.push(type) - 1;
  }

  op(...ops: readonly number[]): void {
    this.code.push(...ops);
  }

  get(local: number): void {
    this.code.push(Op.localGet);
    unsigned(this.code, local);
  }

  set(local: number): void {
    this.code.push(Op.localSet);
    unsigned(this.code, local);
  }

  tee(local: number): void {
    this.code.push(Op.localTee);
    unsigned(this.code, local);
  }

  /** Adds to a local of type i32. */
  increase(local: number, by: number): void {
    this.get(local);
    this.i32(by);
    this.op(Op.i32Add);
    this.set(local);
  }

  i32(value: number): void {
    this.code.push(Op.i32Const);
    signed(this.code, value);
  }

  i64(value: number): void {
    this.code.push(Op.i64Const);
    signed(this.code, value);
  }

  f32(value: number): void {
    this.code.push(Op.f32Const, ...new Uint8Array(Float32Array.of(value).buffer));
  }

  f64(value: number): void {
    this.code.push(Op.f64Const, ...new Uint8Array(Float64Array.of(value).buffer));
  }

  /** A load or store at the address on the stack plus `offset`. */
  memory(op: number, offset: number): void {
    this.code.push(op, 0);
    unsigned(this.code, offset);
  }

  /** A load from a fixed address. */
  load(op: number, address: number): void {
    this.i32(0);
    this.memory(op, address);
  }

  /** Stores what `value` pushes to a fixed address. */
  store(op: number, address: number, value: () => void): void {
    this.i32(0);
    value();
    this.memory(op, address);
  }

  call(index: number): void {
    this.code.push(Op.call);
    unsigned(this.code, index);
  }

  /** Opens a block, loop or if; `label` is what branches to it name. */
  open(op: number, label: object = {}, type: number = Type.none): void {
    this.code.push(op, type);
    this.labels.push(label);
  }

  close(): void {
    this.labels.pop();
    this.code.push(Op.end);
  }

  /** `op` is `Op.br` or `Op.brIf`. */
  branch(op: number, label: object): void {
    this.code.push(op);
    unsigned(this.code, this.labels.length - 1 - this.labels.lastIndexOf(label));
  }
}

export function unsigned(out: number[], value: number): void {
  let rest = value;
  while (rest >= 128) {
    out.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

function signed(out: number[], value: number): void {
  let rest = value;
  while (rest < -64 || rest >= 64) {
    const next = Math.floor(rest / 128);
    out.push(rest - next * 128 + 128);
    rest = next;
  }
  out.push(rest & 127);
}
