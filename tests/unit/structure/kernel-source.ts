import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { citations } from './kernel-names.js';
import type { Finding, Tree } from './tree.js';

/** A sentence that speaks of another kernel than the one whose source is at hand. */
const OTHER_KERNEL = /\bof (?:6\.1[3-9]|7\.\d|the migrate-on-fault series)/;

const ATTRIBUTE = /__(?:attribute__|releases|acquires|must_hold)\s*\(+[^)]*\)+/g;

/** Functions that comments cite without the file, or, with the source of Linux 6.12 at `root`, that it does not define there. */
export function checkCitations(tree: Tree, root?: string): Finding[] {
  const findings: Finding[] = [];
  const defined = new Map<string, Set<string>>();
  const definedIn = (file: string): Set<string> => {
    const path = join(root!, file);
    const names = defined.get(file) ?? (existsSync(path) ? definitions(readFileSync(path, 'utf8')) : new Set());
    defined.set(file, names);
    return names;
  };
  for (const { path, ast } of tree.files.filter((file) => file.path.startsWith('driver/'))) {
    for (const { text, line } of comments(ast.getFullText())) {
      for (const { name, file } of citations(text, OTHER_KERNEL)) {
        if (file === undefined) findings.push({ file: path, line, message: `${name}() is cited without its file` });
        else if (root !== undefined && !definedIn(file).has(name))
          findings.push({ file: path, line, message: `Linux has no ${file}:${name}()` });
      }
    }
  }
  return findings;
}

function* comments(text: string): Generator<{ text: string; line: number }> {
  for (const match of text.matchAll(/\/\*\*?[\s\S]*?\*\/|(?:^|[ ;{(,])\/\/[^\n]*(?:\n\s*\/\/[^\n]*)*/g)) {
    const plain = match[0].replaceAll(/\/\*\*?|\*\/|^\s*(?:\/\/|\*)/gm, ' ').replaceAll(/\s+/g, ' ');
    yield { text: plain, line: text.slice(0, match.index).split('\n').length };
  }
}

/** Names that begin a function's body or a macro with arguments, and the system calls. */
function definitions(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, name] of text.matchAll(/^#\s*define\s+(\w+)\(/gm)) names.add(name!);
  for (const [, flag] of text.matchAll(/^__PAGEFLAG\(\w+, (\w+),/gm)) names.add(`__folio_set_${flag}`);
  for (const [, name] of text.matchAll(/^(?:COMPAT_)?SYSCALL_DEFINE\d\((\w+)/gm)) names.add(name!);
  for (const [head] of text.matchAll(/^[A-Za-z_](?:(?!\n\n)[^;{}#])*\)[^;{}#()]*\{/gm)) {
    const name = /(\w+)\s*\(/.exec(head.replace(ATTRIBUTE, ''))?.[1];
    if (name !== undefined) names.add(name);
  }
  return names;
}
