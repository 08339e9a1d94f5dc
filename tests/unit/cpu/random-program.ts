import { DEFINITIONS, decode } from '../../../driver/cpu/isa/decode.js';
import type { Definition, Format } from '../../../driver/cpu/isa/instruction.js';
import { asm, BASE, Program } from './assembler.js';
import { CORNERS, FLOAT_CORNERS } from './corners.js';

const TABLE = 0x50000;
const FLOAT_TABLE = 0x51000;
const SCRATCH = 0x52000;
const OUT = 0x58000;
/** Registers that the harness needs; everything below x28 may be an operand or a result. */
const [TMP, OUT_REG, TABLE_REG, SCRATCH_REG] = [29, 30, 31, 28];
/** Dwords that each case leaves: the result, fcsr, four of the scratch area. */
const ROW = 6 * 8;

/** What one instruction of a program was, for the report of a difference. */
interface Case {
  readonly name: string;
  readonly word: number;
}

/** A program of `count` random instructions, each on fresh operands and followed by a dump of its effects. */
export interface RandomProgram {
  readonly elf: Uint8Array;
  readonly cases: readonly Case[];
  readonly out: { readonly offset: number; readonly length: number; readonly row: number };
}

/** Float operands of a program besides the corner cases. */
const RANDOM_FLOATS = 80;

const CONTROL_FORMATS: ReadonlySet<Format> = new Set(['J', 'jalr', 'none', 'fence']);
const FLOAT_DEST: ReadonlySet<Format> = new Set(['fload', 'fR', 'fRrm', 'fR4', 'f1rm', 'fromInt', 'moveFromInt']);
const MEMORY_FORMATS: ReadonlySet<Format> = new Set(['load', 'store', 'fload', 'fstore', 'amo', 'lr']);
const ROUNDED: ReadonlySet<Format> = new Set(['fRrm', 'fR4', 'f1rm', 'fromInt', 'toInt']);

/** Same seed, same program. */
export function randomProgram(
  seed: number,
  count: number,
  only: (d: Definition) => boolean = () => true,
): RandomProgram {
  return new Generator(seed).program(count, only);
}

class Generator {
  private readonly program_ = new Program();
  private readonly cases: Case[] = [];

  constructor(private state: number) {}

  program(count: number, only: (d: Definition) => boolean): RandomProgram {
    const p = this.program_;
    const pool = DEFINITIONS.filter((d) => !CONTROL_FORMATS.has(d.format) && only(d));
    p.data(TABLE, CORNERS.flat());
    p.data(FLOAT_TABLE, [...FLOAT_CORNERS, ...this.randomFloats()].flat());
    p.constant(OUT_REG, BASE + OUT);
    for (let n = 0; n < count; n++) this.oneCase(pool, pool[n % pool.length]!);
    const length = count * ROW;
    p.finish(OUT, length);
    return { elf: p.elf(), cases: this.cases, out: { offset: OUT, length, row: ROW } };
  }

  /** xorshift32 */
  private next(limit: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }

  /** Doubles and boxed singles around one, so that sums and fused products do round. */
  private randomFloats(): [number, number][] {
    const word = () => this.next(2 ** 16) | (this.next(2 ** 16) << 16);
    return Array.from({ length: RANDOM_FLOATS }, (_, i) => {
      const sign = this.next(2) << 31;
      if (i % 2 === 0) return [word(), sign | ((993 + this.next(60)) << 20) | (word() & 0xfffff)];
      return [sign | ((107 + this.next(40)) << 23) | (word() & 0x7fffff), -1];
    });
  }

  /** All definitions have their turn, but where a compressed instruction takes it. */
  private oneCase(pool: readonly Definition[], turn: Definition): void {
    const word = this.next(5) === 0 ? this.compressed(pool) : this.base(turn);
    const insn = decode(word);
    const { definition } = insn;
    this.cases.push({ name: definition.name, word });
    const p = this.program_;
    const fields = [(insn.word >>> 7) & 31, (insn.word >>> 15) & 31, (insn.word >>> 20) & 31, (insn.word >>> 27) & 31];
    this.operands(definition.format, fields, insn.imm);
    if (definition.name.startsWith('sc.')) this.reserve(definition.name, fields[1]!);
    if (insn.length === 2) p.half(word);
    else p.word(word);
    if (definition.format === 'branch') p.word(asm.i('addi', fields[2]!, fields[2]!, 1));
    const result = definition.format === 'branch' ? fields[2]! : fields[0]!;
    this.dump(FLOAT_DEST.has(definition.format) ? 'fsd' : 'sd', definition.format.endsWith('store') ? 0 : result);
  }

  /** A random word of the definition whose registers the harness can spare. */
  private base(d: Definition): number {
    let word = (this.next(2 ** 16) | (this.next(2 ** 16) << 16)) & ~d.mask;
    const reg = () => this.next(28);
    for (const at of [7, 15, 20]) {
      if ((d.mask >>> at) & 31) continue;
      if (d.format !== 'branch' && d.format !== 'store' && d.format !== 'fstore' && at === 7)
        word = setField(word, at, reg());
      else if (at !== 7) word = setField(word, at, reg());
    }
    if (d.format === 'branch') word = 0x400 | setField(setField(0, 15, reg()), 20, 1 + this.next(27));
    if (ROUNDED.has(d.format)) word = (word & ~0x7000) | ([0, 0, 0, 7, 7, 7, 1, 2, 3, 4][this.next(10)]! << 12);
    if (d.format === 'csr' || d.format === 'csri') word = (word & 0xfffff) | ((1 + this.next(3)) << 20);
    if (d.format === 'load' || d.format === 'fload' || d.format === 'I')
      word = (word & 0xfffff) | (this.next(4096) << 20);
    if (MEMORY_FORMATS.has(d.format) && ((word >>> 15) & 31) === 0) word = setField(word, 15, 9);
    return word | d.match;
  }

  /** A random compressed instruction that stands for one of the pool and touches no register of the harness. */
  private compressed(pool: readonly Definition[]): number {
    for (let tries = 0; tries < 10000; tries++) {
      const half = this.next(2 ** 16);
      if ((half & 3) === 3) continue;
      const { definition, word } = decode(half);
      if (!pool.includes(definition) || definition.format === 'branch') continue;
      const used = [(word >>> 7) & 31, (word >>> 15) & 31, (word >>> 20) & 31];
      if (used.slice(0, 2).every((r) => r < 28) && (definition.format !== 'R' || used[2]! < 28)) return half;
    }
    return asm.i('addi', 5, 5, 1);
  }

  /** Loads the registers that the instruction reads, and sets fcsr to something random. */
  private operands(format: Format, fields: readonly number[], imm: number): void {
    const p = this.program_;
    const [, rs1, rs2, rs3] = fields as [number, number, number, number];
    p.constant(TABLE_REG, BASE + FLOAT_TABLE);
    const float = (r: number) =>
      p.word(asm.i('fld', r, TABLE_REG, 8 * this.next(FLOAT_CORNERS.length + RANDOM_FLOATS)));
    if (FLOAT_DEST.has(format) || format === 'fstore' || format === 'toInt' || format.startsWith('f')) {
      for (const r of [fields[0]!, rs1, rs2, rs3]) float(r);
    } else if (format === 'moveToInt') float(rs1);
    p.constant(TABLE_REG, BASE + TABLE);
    for (const r of [fields[0]!, rs1, rs2]) {
      if (r !== 0 && r < 28) p.word(asm.i('ld', r, TABLE_REG, 8 * this.next(CORNERS.length)));
    }
    p.constant(SCRATCH_REG, BASE + SCRATCH);
    for (let n = 0; n < 4; n++) {
      p.word(asm.i('ld', TMP, TABLE_REG, 8 * this.next(CORNERS.length)));
      p.word(asm.s('sd', TMP, SCRATCH_REG, 8 * n));
    }
    p.word(asm.i('addi', TMP, 0, 32 * [0, 0, 0, 1, 2, 3, 4][this.next(7)]! + [0, 1, 1, this.next(32)][this.next(4)]!));
    p.word(asm.i('csrrw', 0, TMP, 3));
    if (MEMORY_FORMATS.has(format)) this.address(format, rs1, imm);
  }

  /** SC after an LR of its own size there, or after one elsewhere: what lies between decides nothing. */
  private reserve(name: string, rs1: number): void {
    const at = this.next(3) === 0 ? TABLE_REG : rs1;
    this.program_.word(asm.r(name.replace('sc', 'lr'), TMP, at, 0));
  }

  /** Makes rs1 plus the immediate point into the scratch area; atomics want it aligned. */
  private address(format: Format, rs1: number, imm: number): void {
    const isAtomic = format === 'amo' || format === 'lr';
    const offset = isAtomic ? 8 * this.next(3) : this.next(24) - imm;
    this.program_.constant(rs1, BASE + SCRATCH + offset);
  }

  private dump(store: string, result: number): void {
    const p = this.program_;
    p.constant(SCRATCH_REG, BASE + SCRATCH);
    p.word(asm.s(store, result, OUT_REG, 0));
    p.word(asm.i('csrrs', TMP, 0, 3));
    p.word(asm.s('sd', TMP, OUT_REG, 8));
    for (let n = 0; n < 4; n++) {
      p.word(asm.i('ld', TMP, SCRATCH_REG, 8 * n));
      p.word(asm.s('sd', TMP, OUT_REG, 16 + 8 * n));
    }
    p.word(asm.i('addi', OUT_REG, OUT_REG, ROW));
  }
}

function setField(word: number, at: number, value: number): number {
  return (word & ~(31 << at)) | (value << at);
}
