import { Wasm, type WasmMemory } from '../../core/web-assembly.js';
import { PAGE_SIZE } from './frames.js';

/** In front of RAM there is room for what the core of a machine with programs keeps where compiled code finds it (driver/cpu/wasm/core-layout.ts). */
const CORE_BYTES = 2 ** 16;

/** The bytes of a machine, as the one memory that compiled code can reach. Pages are not touched before use. */
export class Ram {
  readonly memory: WasmMemory;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;

  constructor(size: number) {
    const pages = (CORE_BYTES + size) / 2 ** 16;
    this.memory = new Wasm.Memory({ initial: pages, maximum: pages });
    this.bytes = new Uint8Array(this.memory.buffer, CORE_BYTES);
    this.words = new Uint32Array(this.memory.buffer, CORE_BYTES);
  }
}

/** Where a frame begins in the memory. */
export function addressOfFrame(pfn: number): number {
  return CORE_BYTES + pfn * PAGE_SIZE;
}
