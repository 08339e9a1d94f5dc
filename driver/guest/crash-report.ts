import { E2BIG, ENOMEM, errnoName } from '../../uapi/errno.js';
import { signalName } from '../../uapi/signal.js';
import { readU64 } from '../../uapi/u64.js';
import { disassemble } from '../cpu/isa/disassemble.js';
import { countShmemPages } from '../mm/files/shmem.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';

import { pageTableText } from '../mm/tables/page-table-text.js';
import type { Mm } from '../mm/vmas/mm.js';
import { showMapVma } from '../sys/files/proc/proc-self.js';
import { peekUser } from '../sys/machine/peek-user.js';
import type { SignalInfo } from '../sys/processes/signal-info.js';
import type { ElfImage } from './elf.js';
import type { GuestThread } from './guest-thread.js';

const REGISTERS =
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');
const MAX_FRAMES = 32;
/** How much of the stack is looked through for return addresses. */
const SCANNED_BYTES = 4096;
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
    ...backtrace(guest).map((text, i) => `  #${i} ${text}`),
    'mapping:',
    ...(info.addr === undefined ? [] : mappingLines(guest, info.addr)),
  ];
  return lines.join('\n');
}

/** How much memory there was for a program that dies as there is no more. */
export function oomReport({ process, thread, mm }: GuestThread, addr: number): string {
  const { frames, allocator, swap } = mm.memory;
  const mib = (pages: number): string => `${Math.floor((pages * PAGE_SIZE) / 2 ** 20)} MiB`;
  const { anon, file, shmem } = mm.rss;
  return [
    `${process.image?.comm ?? 'program'}[${thread.tid}]: killed, as there is no memory for 0x${addr.toString(16)}:`,
    `  RAM ${mib(frames.systemFrames)}, of which ${mib(Math.max(0, allocator.available))} are free, this program maps ${mib(anon + file + shmem)}, and files and memfds hold ${mib(countShmemPages(mm.memory))}; --ram gives more`,
    `  swap ${mib(swap.capacity)}, of which ${mib(swap.capacity - swap.used)} are free; only MADV_PAGEOUT moves memory there`,
  ].join('\n');
}

/** Why execve(2) of a program failed when the old one was gone already. */
export function execReport({ memory }: Mm, path: string, { segments }: ElfImage, error: number): string {
  const asked = segments.reduce((sum, { memBytes }) => sum + memBytes, 0);
  const ram = Math.floor(memory.options.ramBytes / 2 ** 20);
  const why =
    -error === ENOMEM
      ? `its segments ask for ${asked} bytes, and RAM is ${ram} MiB; --ram gives more`
      : -error === E2BIG
        ? 'its arguments and environment are longer than a quarter of the stack'
        : 'its segments can not be mapped';
  return `${path} can't be loaded: execve(2) fails with ${errnoName(error)} behind the point of no return: ${why}`;
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

/** By frame pointers as far as there are any; then what on the stack looks like a return address. */
function backtrace(guest: GuestThread): string[] {
  const { cpu, mm } = guest;
  const frames = [cpu.pc, cpu.unsigned(RA)];
  let fp = cpu.unsigned(FP);
  let top = cpu.unsigned(SP);
  while (frames.length < MAX_FRAMES) {
    const ra = peek(mm, fp - 8);
    const next = peek(mm, fp - 16);
    if (ra === null || next === null || !isReturnAddress(guest, ra)) break;
    // A function that calls nobody has its caller in ra alone.
    if (ra !== frames.at(-1)) frames.push(ra);
    top = fp;
    if (next <= fp) break;
    fp = next;
  }
  const found = scanStack(guest, top, MAX_FRAMES - frames.length);
  return [...frames.map((addr) => place(guest, addr)), ...found.map((addr) => `${place(guest, addr)} (on the stack)`)];
}

function scanStack(guest: GuestThread, from: number, max: number): number[] {
  const found: number[] = [];
  for (let at = from - (from % 8); at < from + SCANNED_BYTES && found.length < max; at += 8) {
    const word = peek(guest.mm, at);
    if (word === null) break;
    if (isReturnAddress(guest, word)) found.push(word);
  }
  return found;
}

/** A call stands right before `addr`: jal or jalr that links through ra, in 4 bytes or 2. */
function isReturnAddress({ mm, system, process }: GuestThread, addr: number): boolean {
  const symbol = addr % 2 === 0 ? system.symbolAt(process, addr) : null;
  // What points to the first instruction of a function is a function's address.
  if (symbol === null || symbol.endsWith('+0x0')) return false;
  const code = peekUser(mm, addr - 4, 4);
  if (code === null) return false;
  const insn = new DataView(code.buffer).getUint32(0, true);
  const LINKS = 0xfff;
  if ((insn & LINKS) === 0x0ef || (insn & LINKS) === 0x0e7) return true;
  const short = insn >>> 16;
  return (short & 0xf07f) === 0x9002 && (short & 0x0f80) !== 0;
}

/** The 64-bit word at `addr` if it can be told. */
function peek(mm: Mm, addr: number): number | null {
  const bytes = addr % 8 === 0 ? peekUser(mm, addr, 8) : null;
  return bytes === null ? null : readU64(new DataView(bytes.buffer), 0);
}

function mappingLines({ process, mm }: GuestThread, addr: number): string[] {
  const vma = mm.findVma(addr);
  const before = mm.vmas[mm.findVmaIndex(addr) - 1];
  const line = (found: NonNullable<typeof vma>): string => showMapVma(process, found).trimEnd();
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
