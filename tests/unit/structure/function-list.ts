import ts from 'typescript';
import type { Tree } from './tree.js';

/** Where code runs that injection points stand in, or that leads to it. */
const ROOMS = /^driver\/(mm|hmm|dmirror|sys|guest)\//;
/** The engine's methods that are points. */
const POINT_METHODS = new Set(['hit', 'reach', 'betweenChunks']);

type NamedFunction = ts.FunctionDeclaration | ts.MethodDeclaration;
/** An entry of a table of operations leads to whatever it names. */
type Place = NamedFunction | ts.PropertyAssignment;

const WIDTH = 118;

/** `text` of tools/fault/plans/kernel-functions.ts with the list that the sources give. */
export function withFunctionList(text: string, tree: Tree): string {
  const words = [...functionsAbovePoints(tree)].map(([name, cited]) => [name, ...cited].join('='));
  return text.replace(/`[^`]*`;/, `\`\n${packed(words)}\n\`;`);
}

/** As many to a line as fit. */
function packed(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

/** Functions of the emulated kernel from which an injection point can be reached, by name, each with those of Linux that it cites. */
function functionsAbovePoints({ files, checker }: Tree): Map<string, readonly string[]> {
  const places = new Map<string, Place[]>();
  const collect = (node: ts.Node): void => {
    if (isPlace(node)) places.set(node.name!.getText(), [...(places.get(node.name!.getText()) ?? []), node]);
    ts.forEachChild(node, collect);
  };
  for (const { path, ast } of files) if (ROOMS.test(path)) collect(ast);
  const all = [...places.values()].flat();
  const uses = new Map(all.map((one) => [one, usesOf(one, { checker, places })]));
  const above = new Set<ts.Node>();
  for (let size = -1; size !== above.size; ) {
    size = above.size;
    for (const [one, used] of uses) if (used === 'a point' || used.some((other) => above.has(other))) above.add(one);
  }
  const list = new Map<string, Set<string>>();
  for (const one of all) {
    if (!above.has(one) || ts.isPropertyAssignment(one)) continue;
    const name = one.name!.getText();
    list.set(name, new Set([...(list.get(name) ?? []), ...citations(one)]));
  }
  return new Map([...list].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, cited]) => [name, [...cited].sort()]));
}

function isPlace(node: ts.Node): node is Place {
  return isNamedFunction(node) || ts.isPropertyAssignment(node);
}

function isNamedFunction(node: ts.Node): node is NamedFunction {
  return (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) && node.body !== undefined;
}

/** The functions that `node` calls or hands on. */
function usesOf(
  node: ts.Node,
  { checker, places }: { checker: ts.TypeChecker; places: ReadonlyMap<string, readonly Place[]> },
): ts.Node[] | 'a point' {
  const used: ts.Node[] = [];
  let isPoint = false;
  const visit = (inner: ts.Node): void => {
    if (ts.isIdentifier(inner) && (places.has(inner.text) || POINT_METHODS.has(inner.text))) {
      for (const declared of declarationsOf(inner, checker)) {
        if (declared.getSourceFile().fileName.endsWith('inject-engine.ts')) isPoint ||= POINT_METHODS.has(inner.text);
        else if (isNamedFunction(declared)) used.push(declared);
        // A call through an interface, or a table of operations, may mean whatever has that name.
        else if (isCalled(inner)) used.push(...(places.get(inner.text) ?? []));
      }
    }
    ts.forEachChild(inner, visit);
  };
  ts.forEachChild(node, visit);
  return isPoint ? 'a point' : used;
}

function isCalled({ parent }: ts.Identifier): boolean {
  return (
    ts.isPropertyAccessExpression(parent) && ts.isCallExpression(parent.parent) && parent.parent.expression === parent
  );
}

function declarationsOf(identifier: ts.Identifier, checker: ts.TypeChecker): readonly ts.Declaration[] {
  const shorthand = ts.isShorthandPropertyAssignment(identifier.parent);
  const symbol = shorthand
    ? checker.getShorthandAssignmentValueSymbol(identifier.parent)
    : checker.getSymbolAtLocation(identifier);
  if (symbol === undefined) return [];
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return target.declarations ?? [];
}

/** `Linux: mm/hmm.c:hmm_range_fault(), hmm_vma_walk_pmd()`, in the comment above. */
function citations(node: ts.Node): string[] {
  const text = node.getSourceFile().text;
  const last = ts.getLeadingCommentRanges(text, node.getFullStart())?.at(-1);
  if (last === undefined) return [];
  const comment = text.slice(last.pos, last.end).replaceAll(/\s*\n\s*\*?\s*/g, ' ');
  return [...comment.matchAll(/Linux:[^.]*(?:\.[ch]\b[^.]*)*/g)].flatMap(([cited]) =>
    [...cited.matchAll(/\b([a-z_]\w*)\(\)/g)].map(([, name]) => name!),
  );
}
