import ts from 'typescript';
import { type Finding, lineOf, type SourceFile, type Tree, visit } from './tree.js';

/** Globals that would make a run depend on the host, or hide a scheduling point from the scheduler. */
const BANNED_GLOBALS = new Set([
  'Promise',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Date',
  'performance',
  'process',
  'console',
  'crypto',
  'globalThis',
  'Atomics',
  'require',
]);

/** 64-bit values stay packed as two halves below the uapi edge. */
const BANNED_BIGINT = new Set(['BigInt', 'BigInt64Array', 'BigUint64Array']);

/** Files that may use bigint below uapi/: exact sums of floats span thousands of bits, and quick paths come before them. */
const MAY_USE_BIGINT = new Set(['driver/cpu/isa/soft-float.ts', 'driver/cpu/isa/soft-float-ops.ts']);

/** What kernel code may not name: style.md 9 and 10. */
export function checkBanned(tree: Tree): Finding[] {
  return tree.files
    .filter(({ path }) => path.startsWith('driver/') && !path.startsWith('driver/daemon/'))
    .flatMap((file) => bannedIn(file, tree.checker));
}

function bannedIn({ path, ast }: SourceFile, checker: ts.TypeChecker): Finding[] {
  const findings: Finding[] = [];
  const ban = (node: ts.Node, message: string) => {
    findings.push({ file: path, line: lineOf(ast, node), message });
  };
  visit(ast, (node) => {
    if (MAY_USE_BIGINT.has(path) && isBigint(node)) return;
    if (node.kind === ts.SyntaxKind.AsyncKeyword) ban(node, 'async is banned in kernel code');
    else if (ts.isAwaitExpression(node)) ban(node, 'await is banned in kernel code');
    else if (ts.isForOfStatement(node) && node.awaitModifier) ban(node, 'for await is banned in kernel code');
    else if (!ts.isIdentifier(node) && isBigint(node)) ban(node, 'bigint is banned below uapi/');
    else if (ts.isMetaProperty(node)) ban(node, 'import.meta is banned in kernel code');
    else if (ts.isPropertyAccessExpression(node) && node.getText(ast) === 'Math.random')
      ban(node, 'Math.random is banned');
    else if (ts.isPropertyAccessExpression(node) && /^[gs]etBig(Ui|I)nt64$/.test(node.name.text))
      ban(node, `${node.name.text} is banned below uapi/`);
    else if (ts.isCallExpression(node) && /[.]touch$/.test(node.expression.getText(ast)) && node.arguments.some(counts))
      ban(node, 'what an observer is told has no effect of its own');
    else if (ts.isIdentifier(node) && isBannedName(node.text) && isGlobal(node, checker))
      ban(
        node,
        BANNED_BIGINT.has(node.text) ? `${node.text} is banned below uapi/` : `${node.text} is banned in kernel code`,
      );
  });
  return findings;
}

/** Changes a number on the way. */
function counts(node: ts.Node): boolean {
  let found = false;
  visit(node, (part) => {
    if (!ts.isPrefixUnaryExpression(part) && !ts.isPostfixUnaryExpression(part)) return;
    found ||= part.operator === ts.SyntaxKind.PlusPlusToken || part.operator === ts.SyntaxKind.MinusMinusToken;
  });
  return found;
}

/** Literals, types, and the globals that make or hold bigints. */
function isBigint(node: ts.Node): boolean {
  if (ts.isIdentifier(node)) return node.text === 'BigInt';
  return ts.isBigIntLiteral(node) || node.kind === ts.SyntaxKind.BigIntKeyword;
}

function isBannedName(name: string): boolean {
  return BANNED_GLOBALS.has(name) || BANNED_BIGINT.has(name);
}

/** A parameter may well be called `process`; only a name declared outside our sources is the global. */
function isGlobal(node: ts.Identifier, checker: ts.TypeChecker): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isQualifiedName(parent) && parent.right === node) return false;
  const symbol = ts.isShorthandPropertyAssignment(parent)
    ? checker.getShorthandAssignmentValueSymbol(parent)
    : checker.getSymbolAtLocation(node);
  const declarations = symbol?.declarations ?? [];
  return declarations.every((d) => d.getSourceFile().isDeclarationFile);
}
