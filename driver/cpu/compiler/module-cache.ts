import { Wasm, type WasmModule } from '../../core/web-assembly.js';

/**
 * The modules that were asked for last, by their bytes: one machine after the other runs the same programs, and by then the host has
 * optimized them.
 */
class ModuleCache {
  /** More are forgotten. */
  most = 128;
  private readonly modules = new Map<string, WasmModule>();

  moduleOf(bytes: Uint8Array): WasmModule {
    const { modules } = this;
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const module = modules.get(key) ?? new Wasm.Module(bytes);
    modules.delete(key);
    modules.set(key, module);
    for (const oldest of modules.keys()) {
      if (modules.size <= this.most) break;
      modules.delete(oldest);
    }
    return module;
  }
}

/** Of all machines. */
export const moduleCache = new ModuleCache();
