import { translate } from '../mm/faults/access.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import type { Tlb } from '../mm/tables/tlb.js';
import type { Mm } from '../mm/vmas/mm.js';
import { VM } from '../mm/vmas/vm-flags.js';

export const Access = { load: 0, store: 1, fetch: 2 } as const;
export type AccessKind = (typeof Access)[keyof typeof Access];

/** An address space as the MMU of a hart sees it. */
export interface CpuMemory {
  /** The core's TLB holds translations of it from now on, or with null those that it held are gone. */
  attach(tlb: Tlb | null): void;
  /** The frame of page `vpn`, with accessed and dirty set as the access asks, or -1 when it must fault. */
  translate(vpn: number, access: AccessKind): number;
}

/** The page table of one `Mm`. */
export class MmCpuMemory implements CpuMemory {
  constructor(readonly mm: Mm) {}

  attach(tlb: Tlb | null): void {
    this.mm.tlb = tlb;
  }

  translate(vpn: number, access: AccessKind): number {
    if (access === Access.fetch && !this.isExecutable(vpn)) return -1;
    const pfn = translate(this.mm, vpn, access === Access.store);
    return pfn === 0 ? -1 : pfn;
  }

  /** The model's entries have no NX bit, so the right to execute is looked up where mmap left it. */
  private isExecutable(vpn: number): boolean {
    const vma = this.mm.vmaLookup(vpn * PAGE_SIZE);
    return vma !== null && (vma.flags & VM.exec) !== 0;
  }
}
