import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface PackageRoot {
  readonly folder: string;
  readonly version: string;
}

/** The folder that has the package's own package.json, above this module: in the sources, in dist/ and in a bundle alike. */
function findRoot(): PackageRoot {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (name === 'dmirror') return { folder, version };
    } catch {
      // Not here; a folder further up has it.
    }
    if (folder === dirname(folder)) return { folder: process.cwd(), version: 'unknown' };
  }
}

let root: PackageRoot | undefined;

function packageRoot(): PackageRoot {
  root ??= findRoot();
  return root;
}

export function packageVersion(): string {
  return packageRoot().version;
}

/** A file or folder that the package ships. */
export function shipped(path: string): string {
  return join(packageRoot().folder, path);
}

/** Files of a shipped folder whose name ends in `suffix`, in the order of their names. */
export function shippedFiles(folder: string, suffix: string): string[] {
  const names = readdirSync(shipped(folder)).filter((name) => name.endsWith(suffix));
  return names.sort().map((name) => join(shipped(folder), name));
}
