import ts from 'typescript';
import { type Finding, lineOf, type SourceFile, type Tree, visit } from './tree.js';

export const MAX_FILE_LINES = 500;
export const MAX_FUNCTION_LINES = 70;

/** Files and functions that have grown past what one reading holds: style.md 1 and 3. */
export function checkSize(tree: Tree): Finding[] {
  return tree.files.flatMap((file) => [...longFile(file), ...longFunctions(file)]);
}

function longFile({ path, ast }: SourceFile): Finding[] {
  const lines = lineSpan(ast, ast) - tableLines(ast);
  if (lines <= MAX_FILE_LINES) return [];
  return [{ file: path, line: 1, message: `${lines} lines, ${MAX_FILE_LINES} at most: something wants out` }];
}

/** Lines inside top-level literals without any function: data tables may be as long as their data. */
function tableLines(ast: ts.SourceFile): number {
  let lines = 0;
  for (const statement of ast.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { initializer } of statement.declarationList.declarations) {
      if (initializer && isTable(initializer)) lines += lineSpan(ast, initializer);
    }
  }
  return lines;
}

function isTable(node: ts.Node): boolean {
  let functions = 0;
  visit(node, (child) => {
    if (isFunction(child)) functions++;
  });
  return functions === 0;
}

function longFunctions({ path, ast }: SourceFile): Finding[] {
  // A describe() callback holds a whole test file, so tests answer for their file's length only.
  if (path.endsWith('.test.ts')) return [];
  const findings: Finding[] = [];
  visit(ast, (node) => {
    if (!isFunction(node)) return;
    const lines = lineSpan(ast, node);
    if (lines <= MAX_FUNCTION_LINES) return;
    const name = 'name' in node && node.name ? (node.name as ts.Node).getText(ast) : 'a function';
    findings.push({
      file: path,
      line: lineOf(ast, node),
      message: `${name}: ${lines} lines, ${MAX_FUNCTION_LINES} at most`,
    });
  });
  return findings;
}

function isFunction(node: ts.Node): boolean {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

function lineSpan(ast: ts.SourceFile, node: ts.Node): number {
  const first = ast.getLineAndCharacterOfPosition(node.getStart(ast)).line;
  // The end of a file is past its last line break; the last line with text is the one that counts.
  const end = node === ast ? ast.text.trimEnd().length : node.getEnd();
  return ast.getLineAndCharacterOfPosition(end).line - first + 1;
}
