import ts from 'typescript';
import { type Finding, lineOf, type Tree, visit } from './tree.js';

/** Default exports, enums, file names that are not kebab-case: style.md 1 and 4. */
export function checkShape(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const { path, ast } of tree.files) {
    const add = (node: ts.Node, message: string) => {
      findings.push({ file: path, line: lineOf(ast, node), message });
    };
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(path.split('/').at(-1)!)) {
      findings.push({ file: path, line: 1, message: 'a file name is kebab-case' });
    }
    visit(ast, (node) => {
      if (ts.isEnumDeclaration(node)) add(node, 'enum is not used here: a const table and a union do its work');
      else if (ts.isExportAssignment(node) || isDefaultModifier(node) || isDefaultSpecifier(node)) {
        add(node, 'a default export has no name to search for');
      }
    });
  }
  return findings;
}

function isDefaultModifier(node: ts.Node): boolean {
  return node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node.parent);
}

function isDefaultSpecifier(node: ts.Node): boolean {
  return ts.isExportSpecifier(node) && node.name.text === 'default';
}
