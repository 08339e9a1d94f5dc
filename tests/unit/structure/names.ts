import ts from 'typescript';
import { type Finding, lineOf, type Tree } from './tree.js';

/** Who gives these their names is somebody else: a command is called what its user types, a dialect by its id, a face `index`. */
const NAMED_ELSEWHERE = /^(tools\/commands\/|uapi\/dialects\/)|(^|\/)index\.ts$/;

/** Two files of one name, and two exported classes or types of one name, of which a reader can't know which is meant. */
export function checkNames(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const files = new Map<string, string>();
  const types = new Map<string, string>();
  for (const { path, ast } of tree.files) {
    if (path.startsWith('tests/')) continue;
    const once = (seen: Map<string, string>, name: string, line: number): void => {
      const other = seen.get(name);
      if (other !== undefined) findings.push({ file: path, line, message: `${name} is in ${other} too` });
      else seen.set(name, path);
    };
    if (!NAMED_ELSEWHERE.test(path)) once(files, path.slice(path.lastIndexOf('/') + 1), 1);
    for (const node of ast.statements) {
      const isType = ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
      const isExported = isType && node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
      if (isExported) once(types, node.name!.text, lineOf(ast, node));
    }
  }
  return findings;
}
