import { statSync } from 'node:fs';
import { UsageError } from '../exit-code.js';
import { globToRegExp } from '../glob.js';
import { TARGET_NAMES, type Target, targetByName } from './c/target.js';
import { CLASS_NAMES, type Finding, type FindingClass, isBreak } from './compare/finding.js';
import { parseRename, type SameMeaning } from './compare/same-meaning.js';
import type { AbiModel } from './load/model.js';

/** The patterns of --skip, and which of them ever matched. */
export class SkipPatterns {
  private readonly idle: Set<string>;
  private readonly patterns: readonly { readonly glob: string; readonly regExp: RegExp }[];

  constructor(globs: readonly string[]) {
    this.idle = new Set(globs);
    this.patterns = globs.map((glob) => ({ glob, regExp: globToRegExp(glob) }));
  }

  readonly matches = (name: string): boolean => {
    const found = this.patterns.filter(({ regExp }) => regExp.test(name));
    for (const { glob } of found) this.idle.delete(glob);
    return found.length > 0;
  };

  /** Once all is read. Throws UsageError for a pattern that left nothing out. */
  check(): void {
    for (const glob of this.idle) {
      throw new UsageError(
        `--skip '${glob}' names no macro of what was read`,
        'remove it, or correct the name; * and ? stand for any text and any character',
      );
    }
  }
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Throws UsageError for a folder of -I that is not there. */
export function checkFolders(options: Readonly<Record<string, readonly string[]>>): void {
  for (const [option, folders] of Object.entries(options)) {
    const missing = folders.find((folder) => !isFolder(folder));
    if (missing !== undefined)
      throw new UsageError(`${option} '${missing}' is no folder`, 'name one that exists, as in -I /usr/include');
  }
}

/** Reads the --rename options. */
export function readRenames(texts: readonly string[]): SameMeaning[] {
  return texts.map((text) => {
    const rename = parseRename(text);
    if (rename) return rename;
    throw new UsageError(`--rename '${text}' names no two names`, 'write it as --rename OLD_NAME=NEW_NAME');
  });
}

/** Throws UsageError for a rename whose names are on neither side. */
export function checkRenames(renames: readonly SameMeaning[], models: readonly AbiModel[]): void {
  if (renames.length === 0) return;
  const names = new Set(models.flatMap(namesOf));
  for (const { a, b } of renames) {
    const unknown = [a, b].find((name) => !names.has(name));
    if (unknown !== undefined) {
      throw new UsageError(
        `--rename ${a}=${b}: neither OLD nor NEW has '${unknown}'`,
        'name a command, a constant or a field of each side; `dmirror abi show` lists them',
      );
    }
  }
}

function namesOf({ commands, constants, records, unread }: AbiModel): string[] {
  const fields = records.flatMap((record) => [record.name, ...record.fields.map(({ name }) => name)]);
  return [...[...commands, ...constants, ...unread].map(({ name }) => name.replace(/\(.*/, '')), ...fields];
}

/** Which findings make the status 1: those of the classes named with --fail-on, or else the breaks. */
export type Fails = (finding: Finding) => boolean;

export function readFailOn(list: string | undefined): Fails {
  if (list === undefined) return isBreak;
  if (list === 'none') return () => false;
  if (list === 'any') return () => true;
  const names = list.split(',');
  const wrong = names.find((name) => !(CLASS_NAMES as string[]).includes(name));
  if (wrong !== undefined) {
    throw new UsageError(
      `--fail-on: there is no class '${wrong}'`,
      `classes: ${CLASS_NAMES.join(', ')}, or any, or none`,
    );
  }
  return (finding) => (names as FindingClass[]).includes(finding.class);
}

/** The targets of --targets. */
export function readTargets(list: string): Target[] {
  return list.split(',').map((name) => {
    const target = targetByName(name.trim());
    if (target) return target;
    throw new UsageError(`--targets: there is no target '${name}'`, `targets: ${TARGET_NAMES.join(', ')}`);
  });
}
