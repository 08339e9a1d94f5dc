import ts from 'typescript';
import { type Finding, lineOf, type SourceFile, type Tree, visit } from './tree.js';

/** A function of the kernel that a comment cites, and whether what follows is said to be a part of it only. */
export interface Citation {
  readonly name: string;
  /** As `mm/rmap.c`, which its sentence names here or before; nothing where it names none. */
  readonly file: string | undefined;
  readonly part: boolean;
}

const CITED = String.raw`(?:([\w./-]+\.[chS]):)?(\w+)\(\)`;
const PART = new RegExp(String.raw`\bpart of (?:the )?${CITED}(?:(?:, | and |, and |, or | or )${CITED})*`, 'g');

/**
 * A function that cites one of the kernel has its name in camelCase, or says that it is a part of it. Where several
 * are cited, one of them gives the name or each is had in part. `__f()` is `f`, with a word behind where `f()` is
 * another function. Comments on anything else than functions may cite what they like.
 */
export function checkKernelNames(tree: Tree): Finding[] {
  return tree.files.filter(({ path }) => path.startsWith('driver/')).flatMap(misnamedIn);
}

function misnamedIn({ path, ast }: SourceFile): Finding[] {
  const findings: Finding[] = [];
  visit(ast, (node) => {
    const name = functionName(node);
    if (name === undefined) return;
    const cited = citations(leadingComment(ast, node));
    if (cited.every(({ part }) => part) || cited.some((citation) => isNameOf(citation.name, name))) return;
    const names = cited.filter(({ part }) => !part).map((citation) => citation.name);
    const message = `${name} cites ${names.join(', ')}: call it ${camelCase(names[0]!)}, or say 'part of ${names[0]}()'`;
    findings.push({ file: path, line: lineOf(ast, node), message });
  });
  return findings;
}

function isNameOf(kernelName: string, name: string): boolean {
  const wanted = camelCase(kernelName);
  return (
    name === wanted ||
    (kernelName.startsWith('_') && /^[A-Z]/.test(name.slice(wanted.length)) && name.startsWith(wanted))
  );
}

/** The name that `node` gives a function, if it does: a declaration, a method, or a member or constant that holds one. */
function functionName(node: ts.Node): string | undefined {
  const holdsFunction =
    ts.isFunctionLike(node) ||
    (ts.isVariableStatement(node) && isFunction(node.declarationList.declarations[0]!.initializer)) ||
    ((ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node)) && isFunction(node.initializer)) ||
    (ts.isPropertySignature(node) && node.type !== undefined && ts.isFunctionTypeNode(node.type));
  if (!holdsFunction) return undefined;
  const named = ts.isVariableStatement(node) ? node.declarationList.declarations[0]! : node;
  const { name } = named as ts.NamedDeclaration;
  return name !== undefined && (ts.isIdentifier(name) || ts.isPrivateIdentifier(name))
    ? name.text.replace('#', '')
    : undefined;
}

function isFunction(node: ts.Node | undefined): boolean {
  return node !== undefined && (ts.isArrowFunction(node) || ts.isFunctionExpression(node));
}

/** The comments that stand directly above `node`, as running text. */
function leadingComment(ast: ts.SourceFile, node: ts.Node): string {
  const text = ast.getFullText();
  const ranges = ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
  const lines = ranges.map(({ pos, end }) => text.slice(pos, end)).join('\n');
  return lines.replaceAll(/\/\*\*?|\*\/|^\s*(?:\/\/|\*)/gm, ' ').replaceAll(/\s+/g, ' ');
}

/** What the sentences after each `Linux:` cite, but for those that match `except`. */
export function citations(comment: string, except?: RegExp): Citation[] {
  return [...comment.matchAll(/Linux:(.*?)(?:\.\s|$)/g)].flatMap(([, sentence]) => {
    if (except?.test(sentence!)) return [];
    const parts = [...sentence!.matchAll(PART)].map(({ index, 0: { length } }) => [index, index + length] as const);
    let named: string | undefined;
    return [...sentence!.matchAll(new RegExp(CITED, 'g'))].map(({ index, 1: file, 2: name }) => {
      named = file ?? named;
      return { name: name!, file: named, part: parts.some(([start, end]) => index >= start && index < end) };
    });
  });
}

/** `__do_page_fault` is `doPageFault` here. */
function camelCase(kernelName: string): string {
  return kernelName
    .replace(/^_+/, '')
    .toLowerCase()
    .replaceAll(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());
}
