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
  // A header is parsed before an optimized grammar would be ready, and the process would wait for the compiler when it ends.
  setFlagsFromString('--no-wasm-dynamic-tiering');
  setFlagsFromString('--no-wasm-tier-up');
  try {
    await Parser.init();
    const language = await Language.load(readFileSync(grammarFile()));
    const parser = new Parser();
    parser.setLanguage(language);
    // Functions are compiled when they first run, so that the flags must hold for one parse.
    parser.parse('struct warm_up { int a; };')?.delete();
    return parser;
  } finally {
    setFlagsFromString('--wasm-tier-up');
    setFlagsFromString('--wasm-dynamic-tiering');
  }
}

/** Beside this file in the tree; beside the tree's copy of it when this one is in dist/. */
function grammarFile(): URL {
  const here = new URL('../vendor/tree-sitter-c.wasm', import.meta.url);
  return existsSync(here) ? here : new URL('../../../../tools/abi/vendor/tree-sitter-c.wasm', import.meta.url);
}
