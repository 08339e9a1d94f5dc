/** What is used of the WebAssembly that every Node has; TypeScript knows it as part of the DOM alone. */

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface WasmTable {
  readonly length: number;
  grow(by: number): number;
  set(index: number, value: unknown): void;
}

interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

/** A compiled module, to be made instances of. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

interface WebAssemblyOfNode {
  readonly Memory: new (pages: { initial: number; maximum: number }) => WasmMemory;
  readonly Table: new (options: { element: 'anyfunc'; initial: number }) => WasmTable;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => WasmInstance;
}

declare const WebAssembly: WebAssemblyOfNode;

export const Wasm = WebAssembly;
