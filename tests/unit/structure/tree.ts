import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { isLong } from '../../counts.js';

/** The package's root folder. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Something a check does not allow, at a place in the tree. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** The sources under check, parsed once. Paths are relative to the root, with forward slashes. */
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

/** The whole package's sources, of which kernel code is bound to types; all of it where that may take long. */
export function loadTree(): Tree {
  const paths = ['index.ts', ...FOLDERS.flatMap((folder) => sourcesUnder(folder))];
  const typed = isLong ? paths : paths.filter((path) => path.startsWith('driver/'));
  return buildTree(paths, (path) => readFileSync(path, 'utf8'), typed);
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

/** Hundreds of MiB, through which every later collection of garbage in this process would have to go. */
export function releaseLibrary(): void {
  LIBRARY.clear();
}

/** Comments are read as text. */
const PARSED: ts.CreateSourceFileOptions = {
  languageVersion: ts.ScriptTarget.ES2023,
  impliedNodeFormat: ts.ModuleKind.ESNext,
  jsDocParsingMode: ts.JSDocParsingMode.ParseNone,
};

function buildTree(paths: readonly string[], read: (path: string) => string, typed = paths): Tree {
  const asts = new Map(
    paths.map((path) => {
      const full = join(ROOT, path);
      return [full, ts.createSourceFile(full, read(full), PARSED, true, ts.ScriptKind.TS)];
    }),
  );
  let checker: ts.TypeChecker | undefined;
  return {
    files: paths.map((path) => {
      const ast = asts.get(join(ROOT, path))!;
      return { path, ast, imports: importsOf(path, ast) };
    }),
    // Most checks ask for no types.
    get checker() {
      checker ??= checkerOf(asts, typed);
      return checker;
    },
  };
}

function checkerOf(asts: ReadonlyMap<string, ts.SourceFile>, typed: readonly string[]): ts.TypeChecker {
  const host = ts.createCompilerHost(OPTIONS, true);
  host.jsDocParsingMode = ts.JSDocParsingMode.ParseNone;
  const base = { getSourceFile: host.getSourceFile, fileExists: host.fileExists };
  host.fileExists = (path) => asts.has(path) || base.fileExists(path);
  host.getSourceFile = (path, target, ...rest) => {
    if (asts.has(path)) return asts.get(path);
    if (!LIBRARY.has(path)) LIBRARY.set(path, base.getSourceFile(path, target, ...rest));
    return LIBRARY.get(path);
  };
  const roots = typed.map((path) => join(ROOT, path));
  return ts.createProgram(roots, OPTIONS, host).getTypeChecker();
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
