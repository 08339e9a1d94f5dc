import { InjectPoint } from '../../inject/inject-points.js';
import type { Mm } from '../vmas/mm.js';

/** Is there memory for one more page table? */
export function mayAllocTable({ memory }: Mm): boolean {
  const { inject } = memory.kernel;
  return !(inject.armed && inject.hit(InjectPoint.pageTableAlloc) !== 0) && memory.kernelMemory.has(1);
}
