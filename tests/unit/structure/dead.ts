import type { Finding, Tree } from './tree.js';

/** Files that nothing reaches from the package's face, the command or a test. */
export function checkDeadFiles(tree: Tree): Finding[] {
  const byPath = new Map(tree.files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const queue = tree.files.map(({ path }) => path).filter(isEntryPoint);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    queue.push(...file.imports.filter(({ external }) => !external).map(({ target }) => target));
  }
  return tree.files
    .filter(({ path }) => !reached.has(path))
    .map(({ path }) => ({ file: path, line: 1, message: 'dead file: no entry point reaches it' }));
}

function isEntryPoint(path: string): boolean {
  // A worker is started by the name of its file; vitest.config.ts names the reporter, and the build the page.
  return (
    path === 'tests/skipped.ts' ||
    path === 'index.ts' ||
    path === 'tools/dmirror.ts' ||
    path === 'tools/view/page/start.ts' ||
    /(\.test|-worker)\.ts$/.test(path)
  );
}
