import { expand } from './compressed.js';
import { endsBlock } from './emit.js';
import { type Definition, type Format, type Insn, NOWHERE } from './instruction.js';
import { ATOMIC } from './ops-atomic.js';
import { CONTROL } from './ops-control.js';
import { CSR } from './ops-csr.js';
import { FLOAT } from './ops-float.js';
import { INTEGER } from './ops-int.js';
import { MEMORY } from './ops-memory.js';
import { MULTIPLY } from './ops-mul.js';
import { Trap } from './trap.js';

/** The whole instruction set, by extension. Compressed instructions are spellings of these. */
export const EXTENSIONS = { INTEGER, MEMORY, CONTROL, MULTIPLY, ATOMIC, CSR, FLOAT } as const;

export const DEFINITIONS: readonly Definition[] = Object.values(EXTENSIONS).flat();

const ILLEGAL: Definition = {
  name: 'illegal',
  format: 'none',
  mask: 0,
  match: 0,
  exec: () => Trap.illegal,
  emit: endsBlock,
};

/** Definitions by major opcode. */
const BY_OPCODE: readonly (readonly Definition[])[] = Array.from({ length: 128 }, (_, opcode) =>
  DEFINITIONS.filter(({ match }) => (match & 0x7f) === opcode),
);

/** Formats whose destination is a float register, of which f0 is an ordinary one. */
const FLOAT_RD: ReadonlySet<Format> = new Set(['fload', 'fR', 'fRrm', 'fR4', 'f1rm', 'fromInt', 'moveFromInt']);

/** The instruction that `word` begins with: its low half when it is a compressed one. */
export function decode(word: number): Insn {
  const length = (word & 3) === 3 ? 4 : 2;
  const full = length === 4 ? word | 0 : expand(word & 0xffff);
  const definition = BY_OPCODE[full & 0x7f]!.find(({ mask, match }) => (full & mask) === match) ?? ILLEGAL;
  const rd = (full >>> 6) & 0x3e;
  return {
    definition,
    exec: definition.exec,
    word: full,
    length,
    rd: rd === 0 && !FLOAT_RD.has(definition.format) ? NOWHERE : rd,
    rs1: (full >>> 14) & 0x3e,
    rs2: (full >>> 19) & 0x3e,
    rs3: (full >>> 26) & 0x3e,
    imm: immediate(full, definition.format),
  };
}

/** What `imm` holds in each format: the sign-extended immediate, a shift amount, a CSR number or a rounding mode. */
function immediate(w: number, format: Format): number {
  switch (format) {
    case 'I':
    case 'load':
    case 'fload':
    case 'jalr':
      return w >> 20;
    case 'store':
    case 'fstore':
      return ((w >> 25) << 5) | ((w >>> 7) & 31);
    case 'branch':
      return ((w >> 31) << 12) | ((w & 0x80) << 4) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);
    case 'J':
      return ((w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);
    case 'U':
      return w & 0xfffff000;
    case 'shift':
      return (w >>> 20) & 63;
    case 'shiftw':
      return (w >>> 20) & 31;
    case 'csr':
    case 'csri':
      return w >>> 20;
    default:
      return (w >>> 12) & 7;
  }
}
