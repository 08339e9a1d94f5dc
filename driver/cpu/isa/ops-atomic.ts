import type { Cpu } from '../cpu.js';
import { Access } from '../cpu-memory.js';
import { define } from './define.js';
import { byReference } from './emit.js';
import type { Definition, Exec, Insn } from './instruction.js';
import { lessUnsigned, put, putWord } from './int64.js';
import { Trap, type TrapCode } from './trap.js';

/** Two halves; what an AMO leaves in memory. */
interface Halves {
  lo: number;
  hi: number;
}

/** New value in memory from the old one and the register's. 32-bit operands come sign-extended. */
type Combine = (old: Halves, by: Halves) => Halves;

function isLess(a: Halves, b: Halves): boolean {
  return a.hi < b.hi || (a.hi === b.hi && lessUnsigned(a.lo, b.lo));
}

function isLessU(a: Halves, b: Halves): boolean {
  return a.hi === b.hi ? lessUnsigned(a.lo, b.lo) : lessUnsigned(a.hi, b.hi);
}

const COMBINE: readonly (readonly [name: string, funct5: number, Combine])[] = [
  [
    'amoadd',
    0,
    (a, b) => {
      const lo = (a.lo + b.lo) | 0;
      return { lo, hi: (a.hi + b.hi + (lessUnsigned(lo, a.lo) ? 1 : 0)) | 0 };
    },
  ],
  ['amoswap', 1, (_, b) => b],
  ['amoxor', 4, (a, b) => ({ lo: a.lo ^ b.lo, hi: a.hi ^ b.hi })],
  ['amoor', 8, (a, b) => ({ lo: a.lo | b.lo, hi: a.hi | b.hi })],
  ['amoand', 12, (a, b) => ({ lo: a.lo & b.lo, hi: a.hi & b.hi })],
  ['amomin', 16, (a, b) => (isLess(b, a) ? b : a)],
  ['amomax', 20, (a, b) => (isLess(a, b) ? b : a)],
  ['amominu', 24, (a, b) => (isLessU(b, a) ? b : a)],
  ['amomaxu', 28, (a, b) => (isLessU(a, b) ? b : a)],
];

function faulted(cpu: Cpu, trap: TrapCode): TrapCode {
  cpu.trapAddr = cpu.hart.trapAddr;
  return trap;
}

function address(cpu: Cpu, { rs1 }: Insn): number {
  return (cpu.x[rs1 + 1]! >>> 0) * 2 ** 32 + (cpu.x[rs1]! >>> 0);
}

function misaligned(cpu: Cpu, insn: Insn): TrapCode {
  cpu.trapAddr = address(cpu, insn);
  return Trap.misaligned;
}

/** The low bits of the address that must be clear. */
function isMisaligned(cpu: Cpu, { rs1 }: Insn, size: number): boolean {
  return (cpu.x[rs1]! & (size - 1)) !== 0;
}

/** Reads for an atomic access; the value is in `hart.lo` and `hart.hi`, sign-extended. */
function read(cpu: Cpu, insn: Insn, size: number): TrapCode {
  const { hart, x } = cpu;
  const trap = hart.load(x[insn.rs1 + 1]!, x[insn.rs1]!, 0, size);
  if (size === 4) hart.hi = hart.lo >> 31;
  return trap;
}

/** Threads switch between instructions only, so a read and a write in one instruction are atomic. */
function amo(size: number, combine: Combine): Exec {
  return (cpu, insn) => {
    const { hart, x } = cpu;
    if (isMisaligned(cpu, insn, size)) return misaligned(cpu, insn);
    // An AMO needs the right to store first of all, and never reports a load fault.
    if (hart.physical(address(cpu, insn), Access.store) < 0) return faulted(cpu, Trap.storeFault);
    if (read(cpu, insn, size) !== Trap.budget) return faulted(cpu, Trap.storeFault);
    const old = { lo: hart.lo, hi: hart.hi };
    const by = { lo: x[insn.rs2]!, hi: size === 4 ? x[insn.rs2]! >> 31 : x[insn.rs2 + 1]! };
    const next = combine(old, by);
    if (hart.store(x[insn.rs1 + 1]!, x[insn.rs1]!, 0, size, next.lo, next.hi) !== Trap.budget) {
      return faulted(cpu, Trap.storeFault);
    }
    return put(x, insn.rd, old.lo, old.hi);
  };
}

function loadReserved(size: number): Exec {
  return (cpu, insn) => {
    const { hart } = cpu;
    if (isMisaligned(cpu, insn, size)) return misaligned(cpu, insn);
    const at = hart.physical(address(cpu, insn), Access.load);
    if (at < 0 || read(cpu, insn, size) !== Trap.budget) return faulted(cpu, Trap.loadFault);
    hart.reserved = at;
    hart.reservedSize = size;
    hart.reservedLo = hart.lo;
    hart.reservedHi = hart.hi;
    return put(cpu.x, insn.rd, hart.lo, hart.hi);
  };
}

function storeConditional(size: number): Exec {
  return (cpu, insn) => {
    const { hart, x } = cpu;
    if (isMisaligned(cpu, insn, size)) return misaligned(cpu, insn);
    const at = hart.physical(address(cpu, insn), Access.store);
    if (at < 0) return faulted(cpu, Trap.storeFault);
    const isReserved = hart.reserved === at && hart.reservedSize === size;
    hart.reserved = -1;
    if (read(cpu, insn, size) !== Trap.budget) return faulted(cpu, Trap.storeFault);
    if (!isReserved || hart.lo !== hart.reservedLo || hart.hi !== hart.reservedHi) return putWord(x, insn.rd, 1);
    const trap = hart.store(x[insn.rs1 + 1]!, x[insn.rs1]!, 0, size, x[insn.rs2]!, x[insn.rs2 + 1]!);
    return trap === Trap.budget ? putWord(x, insn.rd, 0) : faulted(cpu, trap);
  };
}

/** RV64A, in 32 and 64 bits. */
export const ATOMIC: readonly Definition[] = [4, 8].flatMap((size) => {
  const suffix = size === 4 ? '.w' : '.d';
  const base = 0x2f | ((size === 4 ? 2 : 3) << 12);
  return [
    define(`lr${suffix}`, 'lr', base | (2 << 27), loadReserved(size), byReference),
    define(`sc${suffix}`, 'amo', base | (3 << 27), storeConditional(size), byReference),
    ...COMBINE.map(([name, funct5, combine]) =>
      define(`${name}${suffix}`, 'amo', base | (funct5 << 27), amo(size, combine), byReference),
    ),
  ];
});
