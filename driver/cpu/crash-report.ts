import { signalName } from '../../uapi/signal.js';
import { translate } from '../mm/access.js';
import { PAGE_SIZE } from '../mm/frames.js';
import type { Mm } from '../mm/mm.js';
import { TASK_SIZE } from '../mm/page-table.js';
import { pageTableText } from '../mm/page-table-text.js';
import { mapsLine } from '../sys/proc-self.js';
import type { SignalInfo } from '../sys/signal-info.js';
import { disassemble } from './disassemble.js';
import type { GuestThread } from './guest-thread.js';

const REGISTERS =
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');
const MAX_FRAMES = 32;
const RA = 1;
const SP = 2;
const FP = 8;

/** Why a program died: the signal, where, the registers, the calls that led there and the mapping that was hit. */
export function crashReport(guest: GuestThread, info: SignalInfo): string {
  const { cpu, process, thread } = guest;
  const at = info.addr === undefined ? '' : ` at 0x${info.addr.toString(16)}`;
  const lines = [
    `${process.image?.comm ?? 'program'}[${thread.tid}]: ${signalName(info.signo)} (code ${info.code})${at}, pc ${place(guest, cpu.pc)}`,
    ...instructionLine(guest),
    ...registerLines(guest),
    'backtrace:',
    ...backtrace(guest).map((addr, i) => `  #${i} ${place(guest, addr)}`),
    'mapping:',
    ...(info.addr === undefined ? [] : mappingLines(guest, info.addr)),
  ];
  return lines.join('\n');
}

/** The instruction that did it, where it can be read. */
function instructionLine({ cpu }: GuestThread): string[] {
  cpu.hart.activate(cpu);
  const insn = cpu.hart.fetch(cpu.pc);
  return insn === null ? [] : [`  in ${disassemble(insn, cpu.pc)}`];
}

function registerLines({ cpu }: GuestThread): string[] {
  const texts = REGISTERS.map((name, i) => `${name.padStart(4)} ${register(cpu.x, i)}`).slice(1);
  const lines: string[] = [];
  for (let i = 0; i < texts.length; i += 4) lines.push(`  ${texts.slice(i, i + 4).join('  ')}`);
  return lines;
}

function register(x: Int32Array, i: number): string {
  const half = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
  return half(x[2 * i + 1]!) + half(x[2 * i]!);
}

function place({ system, process }: GuestThread, addr: number): string {
  const symbol = system.symbolAt(process, addr);
  return `0x${addr.toString(16)}${symbol === null ? '' : ` ${symbol}`}`;
}

/** By frame pointers as far as there are any; else what on the stack looks like a return address. */
function backtrace(guest: GuestThread): number[] {
  const { cpu, mm } = guest;
  const byFrame = [cpu.pc, cpu.unsigned(RA)];
  let fp = cpu.unsigned(FP);
  while (byFrame.length < MAX_FRAMES) {
    const ra = peek(mm, fp - 8);
    const next = peek(mm, fp - 16);
    if (ra === null || next === null || guest.system.symbolAt(guest.process, ra) === null) break;
    byFrame.push(ra);
    if (next <= fp) break;
    fp = next;
  }
  return byFrame.length > 2 ? byFrame : [...byFrame, ...scanStack(guest)];
}

function scanStack({ cpu, mm, system, process }: GuestThread): number[] {
  const found: number[] = [];
  const sp = cpu.unsigned(SP);
  for (let at = sp - (sp % 8); at < sp + 4096 && found.length < MAX_FRAMES; at += 8) {
    const word = peek(mm, at);
    if (word === null) break;
    if (word % 2 === 0 && system.symbolAt(process, word) !== null) found.push(word);
  }
  return found;
}

/** The 64-bit word at `addr` if it is there without a fault. */
function peek(mm: Mm, addr: number): number | null {
  if (!(addr >= 0 && addr % 8 === 0 && addr < TASK_SIZE)) return null;
  const pfn = translate(mm, Math.floor(addr / PAGE_SIZE), false);
  if (pfn === 0) return null;
  const word = (pfn * PAGE_SIZE + (addr % PAGE_SIZE)) / 4;
  return mm.memory.words[word]! + mm.memory.words[word + 1]! * 2 ** 32;
}

function mappingLines({ process, mm }: GuestThread, addr: number): string[] {
  const vma = mm.findVma(addr);
  const before = mm.vmas[mm.findVmaIndex(addr) - 1];
  const line = (found: NonNullable<typeof vma>): string => mapsLine(process, found).trimEnd();
  if (vma !== null && vma.start <= addr) {
    const page = addr - (addr % PAGE_SIZE);
    return [`  ${line(vma)}`, `  ${pageTableText(mm, page, page + PAGE_SIZE).trimEnd()}`];
  }
  return [
    '  none',
    ...(before === undefined ? [] : [`  below: ${line(before)}`]),
    ...(vma === null ? [] : [`  above: ${line(vma)}`]),
  ];
}
