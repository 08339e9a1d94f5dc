import { dirname } from 'node:path/posix';
import type { Finding, Tree } from './tree.js';

/** Source files of one folder that a reader still takes in at a glance. */
export const MAX_FOLDER_FILES = 25;

export function checkFolders(tree: Tree): Finding[] {
  const counts = new Map<string, number>();
  for (const path of pathsOf(tree)) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > MAX_FOLDER_FILES)
    .map(([folder, count]) => at(folder, `${count} files, ${MAX_FOLDER_FILES} at most: a subject wants out`));
}

/**
 * `tests/unit/X.test.ts` tests the file or folder X of driver/, or of the package for uapi/, tools/ and index.ts. Where one file of
 * tests would be too long, `tests/unit/X/what.test.ts` tests the file X too.
 */
export function checkMirror(tree: Tree): Finding[] {
  const files = new Set(pathsOf(tree).map((path) => path.slice(0, -'.ts'.length)));
  const folders = new Set(pathsOf(tree).flatMap(ancestors));
  return pathsOf(tree)
    .filter((path) => /^tests\/unit\/(?!structure\/).*\.test\.ts$/.test(path))
    .filter((path) => {
      const subject = path.slice('tests/unit/'.length, -'.test.ts'.length);
      const source = /^(uapi\/|tools\/|index$)/.test(subject) ? subject : `driver/${subject}`;
      return !files.has(source) && !folders.has(source) && !files.has(dirname(source));
    })
    .map((path) => at(path, 'no source file or folder stands at this path'));
}

function pathsOf(tree: Tree): string[] {
  return tree.files.map(({ path }) => path);
}

function ancestors(path: string): string[] {
  const parts = dirname(path).split('/');
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'));
}

function at(file: string, message: string): Finding {
  return { file, line: 1, message };
}
