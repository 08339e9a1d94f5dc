import { Cpu } from '../../../driver/cpu/cpu.js';
import type { AccessKind, CpuMemory } from '../../../driver/cpu/cpu-memory.js';
import { Hart } from '../../../driver/cpu/hart.js';
import { Ram } from '../../../driver/mm/frames/ram.js';
import type { Tlb } from '../../../driver/mm/tables/tlb.js';
import { BASE, SIZE } from './assembler.js';

const FIRST_VPN = BASE / 4096;
const PAGES = SIZE / 4096;

/** The segment of a test program at its address, frame after frame in the opposite order; nothing else is mapped. */
export class FlatMemory implements CpuMemory {
  tlb: Tlb | null = null;
  /** Pages that may not be accessed, by access: for tests of faults. */
  readonly denied = new Set<string>();

  attach(tlb: Tlb | null): void {
    this.tlb = tlb;
  }

  translate(vpn: number, access: AccessKind): number {
    const page = vpn - FIRST_VPN;
    if (page < 0 || page >= PAGES || this.denied.has(`${vpn} ${access}`)) return -1;
    return PAGES - 1 - page;
  }
}

/** A thread about to run `image`. */
export function loadProgram(image: Uint8Array, memory = new FlatMemory()): Cpu {
  const ram = new Ram(SIZE);
  for (let page = 0; page < PAGES; page++) {
    ram.bytes.set(image.subarray(4096 * page, 4096 * (page + 1)), 4096 * (PAGES - 1 - page));
  }
  const cpu = new Cpu(new Hart(ram), memory);
  cpu.pc = BASE + 0x1000;
  return cpu;
}

/** Bytes of a loaded program's segment. */
export function segmentBytes(cpu: Cpu, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const at = offset + i;
    out[i] = cpu.hart.ram.bytes[4096 * (PAGES - 1 - Math.floor(at / 4096)) + (at % 4096)]!;
  }
  return out;
}
