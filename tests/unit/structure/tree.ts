import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The package's root folder. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Something a check does not allow, at a place in the tree. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** The sources under check, parsed and bound to types once. Paths are relative to the root, with forward slashes. */
export interface Tree {
  readonly files: readonly SourceFile[];
  readonly checker: ts.TypeChecker;
}

export interface SourceFile {
  readonly path: string;
  readonly ast: ts.SourceFile;
  /** Every module this file names, resolved to a path of the tree when it is relative. */
  readonly imports: readonly Import[];
}

interface Import {
  readonly target: string;
  readonly external: boolean;
  readonly line: number;
  /** Whether loading this file loads the target, always or at some later time. */
  readonly kind: 'value' | 'type' | 'late';
}

const FOLDERS = ['uapi', 'driver', 'tools', 'tests'];

let whole: Tree | undefined;

/** The whole package's sources, read once. */
export function loadTree(): Tree {
  whole ??= readTree();
  return whole;
}

function readTree(): Tree {
  const paths = FOLDERS.flatMap((folder) => sourcesUnder(folder));
  return buildTree(ts.sys.fileExists(join(ROOT, 'index.ts')) ? ['index.ts', ...paths] : paths, (path) =>
    readFileSync(path, 'utf8'),
  );
}

/** A small tree made of the given snippets, for a check's own test. */
export function snippetTree(snippets: Readonly<Record<string, string>>): Tree {
  return buildTree(Object.keys(snippets), (path) => {
    const text = snippets[relative(ROOT, path).replaceAll('\\', '/')];
    if (text === undefined) throw new Error(`no snippet ${path}`);
    return text;
  });
}

function sourcesUnder(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** Parsed declarations of the language and of node, which every tree shares. */
const LIBRARY = new Map<string, ts.SourceFile | undefined>();

function buildTree(paths: readonly string[], read: (path: string) => string): Tree {
  const host = ts.createCompilerHost(OPTIONS, true);
  const own = new Set(paths.map((path) => join(ROOT, path)));
  const base = { getSourceFile: host.getSourceFile, fileExists: host.fileExists };
  host.fileExists = (path) => own.has(path) || base.fileExists(path);
  host.getSourceFile = (path, target, ...rest) => {
    if (own.has(path)) return ts.createSourceFile(path, read(path), target, true, ts.ScriptKind.TS);
    if (!LIBRARY.has(path)) LIBRARY.set(path, base.getSourceFile(path, target, ...rest));
    return LIBRARY.get(path);
  };
  const program = ts.createProgram([...own], OPTIONS, host);
  const files = paths.map((path) => {
    const ast = program.getSourceFile(join(ROOT, path));
    if (ast === undefined) throw new Error(`${path} did not parse`);
    return { path, ast, imports: importsOf(path, ast) };
  });
  return {
    files,
    // Most checks ask for no types.
    get checker() {
      return program.getTypeChecker();
    },
  };
}

/** Without the folders that the configuration names, which would all be listed. */
const OPTIONS: ts.CompilerOptions = {
  ...ts.convertCompilerOptionsFromJson(
    ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile).config.compilerOptions,
    ROOT,
  ).options,
  noEmit: true,
};

function importsOf(path: string, ast: ts.SourceFile): SourceFile['imports'] {
  const found: Import[] = [];
  const add = (specifier: ts.Node, kind: Import['kind']) => {
    if (!ts.isStringLiteralLike(specifier)) return;
    const external = !specifier.text.startsWith('.');
    const target = external ? specifier.text : join(dirname(path), specifier.text).replaceAll('\\', '/');
    const line = lineOf(ast, specifier);
    found.push({ target: external ? target : target.replace(/\.js$/, '.ts'), external, line, kind });
  };
  visit(ast, (node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
      add(node.moduleSpecifier, isOfTypes(node) ? 'type' : 'value');
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0]!, 'late');
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, 'type');
  });
  return found;
}

/** `import type { a }`, `import { type a }` and the exports of that kind, which leave nothing in the built file. */
function isOfTypes(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) {
    const { exportClause: clause } = node;
    return node.isTypeOnly || (!!clause && ts.isNamedExports(clause) && clause.elements.every((e) => e.isTypeOnly));
  }
  const { importClause: clause } = node;
  if (!clause) return false;
  const { namedBindings: names } = clause;
  const areNamedTypes = !!names && ts.isNamedImports(names) && names.elements.every((e) => e.isTypeOnly);
  return clause.phaseModifier === ts.SyntaxKind.TypeKeyword || (!clause.name && areNamedTypes);
}

/** Calls `look` for every node below `node`, itself included, in source order. */
export function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node);
  ts.forEachChild(node, (child) => visit(child, look));
}

export function lineOf(ast: ts.SourceFile, node: ts.Node): number {
  return ast.getLineAndCharacterOfPosition(node.getStart(ast)).line + 1;
}

/** The findings as text, one `file:line  message` a line; empty when all is well. */
export function format(findings: readonly Finding[]): string {
  return findings.map(({ file, line, message }) => `${file}:${line}  ${message}`).join('\n');
}
