import { existsSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Language, Parser } from 'web-tree-sitter';

let loading: Promise<Parser> | undefined;

/** The C parser; loaded once. */
export function cParser(): Promise<Parser> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Parser> {
  // A header is parsed before an optimized grammar would be ready, and the process would wait for the compiler when it ends. Functions
  // are compiled when they first run, so the setting must last.
  setFlagsFromString('--liftoff-only');
  setFlagsFromString('--no-wasm-dynamic-tiering');
  setFlagsFromString('--no-wasm-tier-up');
  await Parser.init();
  const language = await Language.load(readFileSync(grammarFile()));
  const parser = new Parser();
  parser.setLanguage(language);
  return parser;
}

/** WebAssembly is optimized again from here on: for a process that goes on to do other things. */
export function optimizeWasm(): void {
  setFlagsFromString('--no-liftoff-only');
  setFlagsFromString('--wasm-tier-up');
  setFlagsFromString('--wasm-dynamic-tiering');
}

/** Beside this file in the tree; beside the tree's copy of it when this one is in dist/. */
function grammarFile(): URL {
  const here = new URL('../vendor/tree-sitter-c.wasm', import.meta.url);
  return existsSync(here) ? here : new URL('../../../../tools/abi/vendor/tree-sitter-c.wasm', import.meta.url);
}
