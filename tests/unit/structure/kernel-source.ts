import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { citations } from './kernel-names.js';
import type { Finding, Tree } from './tree.js';

/** Where the functions that comments name without a file may be. */
const FOLDERS = ['arch/riscv', 'arch/x86', 'fs', 'include', 'ipc', 'kernel', 'lib', 'mm'];
/** A sentence that speaks of another kernel than the one whose source is at hand. */
const OTHER_KERNEL = /\bof (?:6\.1[3-9]|7\.\d|the migrate-on-fault series)/;

const ATTRIBUTE = /__(?:attribute__|releases|acquires|must_hold)\s*\(+[^)]*\)+/g;

/** Functions that comments cite and the source of Linux 6.12 below `root` does not define, or not in the file that is named. */
export function checkCitations(tree: Tree, root: string): Finding[] {
  const findings: Finding[] = [];
  const defined = new Map<string, Set<string>>();
  const definedIn = (file: string): Set<string> => {
    const path = join(root, file);
    const names = defined.get(file) ?? (existsSync(path) ? definitions(readFileSync(path, 'utf8')) : new Set());
    defined.set(file, names);
    return names;
  };
  const everywhere = allDefinitions(root);
  for (const { path, ast } of tree.files.filter((file) => file.path.startsWith('driver/'))) {
    for (const { text, line } of comments(ast.getFullText())) {
      for (const { name, file } of citations(text, OTHER_KERNEL)) {
        const names = file === undefined ? everywhere : definedIn(file);
        if (!names.has(name)) findings.push({ file: path, line, message: `Linux has no ${file ?? ''}:${name}()` });
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

function allDefinitions(root: string): Set<string> {
  const names = new Set<string>();
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !/\.[chS]$/.test(entry.name)) continue;
      for (const name of definitions(readFileSync(join(entry.parentPath, entry.name), 'utf8'))) names.add(name);
    }
  }
  return names;
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
