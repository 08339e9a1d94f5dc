import type { Finding, SourceFile, Tree } from './tree.js';

/**
 * Files that import each other. With values such a ring loads in an order that depends on who comes first; with types
 * alone it is a subject that was cut in two, which is fine inside one room and hides a layer across two.
 */
export function checkCycles(tree: Tree): Finding[] {
  const values = rings(tree.files, ({ kind }) => kind === 'value');
  const across = rings(tree.files, () => true).filter((ring) => new Set(ring.map(roomOf)).size > 1);
  return [
    ...values.flatMap((ring) => findings('values', ring)),
    ...across.flatMap((ring) => findings('types across rooms', ring)),
  ];
}

function findings(what: string, ring: readonly string[]): Finding[] {
  return ring.map((file) => ({ file, line: 1, message: `in a ring of ${what}: ${ring.join(' ')}` }));
}

/** `driver/mm`, `tools/fault`, `uapi`: what ARCHITECTURE.md draws as one box. */
export function roomOf(path: string): string {
  const [top, second, ...rest] = path.split('/');
  return top === 'uapi' || rest.length === 0 ? top!.replace(/\.ts$/, '') : `${top}/${second}`;
}

type Import = SourceFile['imports'][number];

/** Tarjan's strongly connected components of more than one file, each sorted. */
function rings(files: Tree['files'], counts: (edge: Import) => boolean): string[][] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const order = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  /** The lowest order number that `path` reaches among the files still on the stack. */
  const reach = (path: string): number => {
    const mine = order.size;
    order.set(path, mine);
    stack.push(path);
    let low = mine;
    for (const { target } of byPath.get(path)!.imports.filter(counts)) {
      if (!byPath.has(target)) continue;
      if (!order.has(target)) low = Math.min(low, reach(target));
      else if (stack.includes(target)) low = Math.min(low, order.get(target)!);
    }
    if (low === mine) {
      const ring = stack.splice(stack.indexOf(path));
      if (ring.length > 1) found.push(ring.sort());
    }
    return low;
  };
  for (const { path } of files) if (!order.has(path)) reach(path);
  return found;
}
