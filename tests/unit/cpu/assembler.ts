import { DEFINITIONS } from '../../../driver/cpu/isa/decode.js';
import type { Definition } from '../../../driver/cpu/isa/instruction.js';

export const BASE = 0x10000;
/** Bytes of the one segment, which holds headers, code and data. */
export const SIZE = 0x80000;

const BY_NAME = new Map<string, Definition>(DEFINITIONS.map((definition) => [definition.name, definition]));

/** The definition of an instruction, which must exist. */
function definitionOf(name: string): Definition {
  const definition = BY_NAME.get(name);
  if (definition === undefined) throw new Error(`no instruction ${name}`);
  return definition;
}

/** The words that tests write by hand. Immediates are not checked for their range. */
export const asm = {
  r: (name: string, rd: number, rs1: number, rs2: number) =>
    definitionOf(name).match | (rd << 7) | (rs1 << 15) | (rs2 << 20),
  i: (name: string, rd: number, rs1: number, imm: number) =>
    definitionOf(name).match | (rd << 7) | (rs1 << 15) | (imm << 20),
  s: (name: string, rs2: number, rs1: number, imm: number) =>
    definitionOf(name).match | ((imm & 31) << 7) | (rs1 << 15) | (rs2 << 20) | ((imm >> 5) << 25),
  u: (name: string, rd: number, imm: number) => definitionOf(name).match | (rd << 7) | (imm & 0xfffff000),
  b: (name: string, rs1: number, rs2: number, imm: number) =>
    definitionOf(name).match |
    ((imm & 0x1e) << 7) |
    ((imm & 0x800) >> 4) |
    (rs1 << 15) |
    (rs2 << 20) |
    ((imm & 0x7e0) << 20) |
    ((imm & 0x1000) << 19),
  j: (name: string, rd: number, imm: number) =>
    definitionOf(name).match |
    (rd << 7) |
    (imm & 0xff000) |
    ((imm & 0x800) << 9) |
    ((imm & 0x7fe) << 20) |
    ((imm >> 20) << 31),
  none: (name: string) => definitionOf(name).match,
};

/** A program under construction: half-words of code, then data at fixed offsets of the segment. */
export class Program {
  readonly image = new Uint8Array(SIZE);
  private readonly view = new DataView(this.image.buffer);
  private at = 0x1000;

  get pc(): number {
    return BASE + this.at;
  }

  word(word: number): void {
    this.view.setUint16(this.at, word & 0xffff, true);
    this.view.setUint16(this.at + 2, word >>> 16, true);
    this.at += 4;
  }

  half(half: number): void {
    this.view.setUint16(this.at, half, true);
    this.at += 2;
  }

  /** `lui`, `addi`: a 32-bit constant that is not negative. */
  constant(rd: number, value: number): void {
    this.word(asm.u('lui', rd, (value + 0x800) & 0xfffff000));
    this.word(asm.i('addi', rd, rd, (value << 20) >> 20));
  }

  data(offset: number, words: readonly number[]): void {
    words.forEach((word, i) => {
      this.view.setInt32(offset + 4 * i, word, true);
    });
  }

  /** Writes `length` bytes at `offset` of the segment to standard output and exits. */
  finish(offset: number, length: number): void {
    this.constant(10, 1);
    this.constant(11, BASE + offset);
    this.constant(12, length);
    this.constant(17, 64);
    this.word(asm.none('ecall'));
    this.constant(10, 0);
    this.constant(17, 93);
    this.word(asm.none('ecall'));
  }

  /** A static executable of one segment that may be read, written and executed. */
  elf(): Uint8Array {
    const { image, view } = this;
    image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, 2, true);
    view.setUint16(18, 243, true);
    view.setUint32(20, 1, true);
    view.setUint32(24, BASE + 0x1000, true);
    view.setUint32(32, 64, true);
    // RVC and the double-float calling convention.
    view.setUint32(48, 5, true);
    view.setUint16(52, 64, true);
    view.setUint16(54, 56, true);
    view.setUint16(56, 1, true);
    view.setUint32(64, 1, true);
    view.setUint32(68, 7, true);
    view.setUint32(80, BASE, true);
    view.setUint32(88, BASE, true);
    view.setUint32(96, SIZE, true);
    view.setUint32(104, SIZE, true);
    view.setUint32(112, 0x1000, true);
    return image;
  }
}
