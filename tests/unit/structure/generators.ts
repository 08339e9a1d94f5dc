import ts from 'typescript';
import { type Finding, lineOf, type SourceFile, type Tree, visit } from './tree.js';

/**
 * Calls of a generator whose result goes nowhere. Such a call runs nothing at all, without an error, so kernel code
 * that forgets `yield*` would silently skip a lock or a copy. By type rather than by name: a table of operations or a
 * type alias is seen through.
 */
export function checkDroppedGenerators(tree: Tree): Finding[] {
  return tree.files.flatMap((file) => droppedIn(file, tree.checker));
}

function droppedIn({ path, ast }: SourceFile, checker: ts.TypeChecker): Finding[] {
  const findings: Finding[] = [];
  visit(ast, (node) => {
    if (!ts.isCallExpression(node)) return;
    // Where the call stands is seen at once, its type only after all of the package has been typed. What becomes of a variable takes long.
    if (!ts.isVariableDeclaration(node.parent) && isConsumed(node)) return;
    if (!isGenerator(checker.getTypeAtLocation(node)) || isConsumed(node)) return;
    const name = node.expression.getText(ast).split('\n')[0]!;
    findings.push({
      file: path,
      line: lineOf(ast, node),
      message: `${name}() is a generator that nothing consumes: yield* it`,
    });
  });
  return findings;
}

function isGenerator(type: ts.Type): boolean {
  if (type.isUnion()) return type.types.some(isGenerator);
  const name = type.getSymbol()?.getName();
  return name === 'Generator' || name === 'AsyncGenerator';
}

/** Walks out through wrappers that keep the value, then asks whether the place it lands in uses a generator. */
function isConsumed(call: ts.Expression): boolean {
  let node: ts.Expression = call;
  while (isWrapper(node.parent, node)) node = node.parent as ts.Expression;
  const { parent } = node;
  if (ts.isYieldExpression(parent)) return parent.asteriskToken !== undefined;
  if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return parent.expression !== node;
  if (ts.isVariableDeclaration(parent)) return isVariableConsumed(parent);
  if (ts.isBinaryExpression(parent)) {
    return parent.operatorToken.kind === ts.SyntaxKind.EqualsToken && parent.right === node;
  }
  if (ts.isPropertyAccessExpression(parent)) return ['next', 'return', 'throw'].includes(parent.name.text);
  return (
    ts.isReturnStatement(parent) ||
    ts.isArrowFunction(parent) ||
    ts.isPropertyAssignment(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isArrayLiteralExpression(parent) ||
    ts.isSpreadElement(parent) ||
    (ts.isForOfStatement(parent) && parent.expression === node)
  );
}

function isWrapper(parent: ts.Node, node: ts.Node): boolean {
  if (ts.isParenthesizedExpression(parent) || ts.isAsExpression(parent) || ts.isNonNullExpression(parent)) return true;
  if (ts.isConditionalExpression(parent)) return parent.condition !== node;
  if (!ts.isBinaryExpression(parent)) return false;
  const operator = parent.operatorToken.kind;
  return operator === ts.SyntaxKind.QuestionQuestionToken || operator === ts.SyntaxKind.BarBarToken;
}

/** A generator kept in a variable is fine if the variable is consumed; `const err = f()` then `if (err)` is the slip. */
function isVariableConsumed(declaration: ts.VariableDeclaration): boolean {
  const { name } = declaration;
  // Taking values out of it runs it.
  if (ts.isArrayBindingPattern(name)) return true;
  if (!ts.isIdentifier(name)) return false;
  let consumed = false;
  visit(declaration.getSourceFile(), (node) => {
    if (consumed || node === name || !ts.isIdentifier(node) || node.text !== name.text) return;
    if (!isDeclarationName(node) && isConsumed(node)) consumed = true;
  });
  return consumed;
}

function isDeclarationName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    (ts.isVariableDeclaration(parent) && parent.name === node) ||
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isPropertyAssignment(parent) && parent.name === node)
  );
}
