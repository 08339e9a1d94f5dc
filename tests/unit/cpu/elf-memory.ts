import { Cpu } from '../../../driver/cpu/cpu.js';
import type { CpuMemory } from '../../../driver/cpu/cpu-memory.js';
import { Hart } from '../../../driver/cpu/hart.js';
import { Ram } from '../../../driver/mm/frames/ram.js';

const PAGE = 4096;
const FRAMES = 512;
const STACK = 0x7000_0000;
const STACK_PAGES = 16;

/** Pages of a static executable and a stack, in frames in the order of their first use. */
class ElfMemory implements CpuMemory {
  readonly frames = new Map<number, number>();

  attach(): void {}

  translate(vpn: number): number {
    return this.frames.get(vpn) ?? -1;
  }

  frame(vpn: number): number {
    const pfn = this.frames.get(vpn) ?? this.frames.size + 1;
    this.frames.set(vpn, pfn);
    return pfn;
  }
}

/** A thread about to run the static executable `elf`, without any kernel under it. */
export function loadElf(elf: Uint8Array): Cpu {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const word = (at: number) => Number(view.getBigUint64(at, true));
  const ram = new Ram(FRAMES * PAGE);
  const memory = new ElfMemory();
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const header = word(32) + 56 * i;
    if (view.getUint32(header, true) !== 1) continue;
    const [offset, addr, fileBytes, memBytes] = [8, 16, 32, 40].map((field) => word(header + field)) as [
      number,
      number,
      number,
      number,
    ];
    for (let at = addr; at < addr + memBytes; at++) {
      const pfn = memory.frame(Math.floor(at / PAGE));
      if (at < addr + fileBytes) ram.bytes[pfn * PAGE + (at % PAGE)] = elf[offset + at - addr]!;
    }
  }
  for (let page = 0; page < STACK_PAGES; page++) memory.frame(STACK / PAGE + page);
  const cpu = new Cpu(new Hart(ram), memory);
  cpu.pc = word(24);
  cpu.set(2, STACK + STACK_PAGES * PAGE - 64);
  return cpu;
}
