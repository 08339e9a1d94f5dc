import { assert } from '../core/assert.js';
import type { Coroutine } from '../core/effect.js';
import type { AddressSpace } from './address-space.js';
import type { Memory } from './memory.js';

/** Brings the page back that `index` has in swap; 0 or -ENOMEM. Linux: mm/shmem.c:shmem_swapin_folio() */
export function* shmemSwapinFolio(memory: Memory, mapping: AddressSpace, index: number): Coroutine<number> {
  void memory;
  assert(false, `page ${index} of mapping ${mapping.id} is in swap`);
}

/** Frees the slot of a page that is in swap. Linux: mm/shmem.c:shmem_free_swap() */
export function shmemForgetSwap(memory: Memory, mapping: AddressSpace, index: number): void {
  void memory;
  assert(false, `page ${index} of mapping ${mapping.id} is in swap`);
}
