import { dirname, isAbsolute, join, posix } from 'node:path';
import type { FindHeader } from './preprocessor.js';
import { SourceText } from './source-text.js';

/** Reads a file of wherever the header is from; undefined when it is not there. */
type ReadHeader = (path: string) => string | undefined;

export interface IncludeOptions {
  /** The folders of -I. */
  readonly include: readonly string[];
  readonly target: string;
  readonly read: ReadHeader;
  /** Texts that were read before, by path. */
  readonly sources: Map<string, SourceText | undefined>;
}

/** Linux's own names for the machines. */
const ARCH: Readonly<Record<string, string>> = { i386: 'x86', x86_64: 'x86', riscv64: 'riscv' };
const TRIPLETS: Readonly<Record<string, string>> = {
  i386: 'i386-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  arm64: 'aarch64-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
};
const MOST_FOLDERS_UP = 16;

/**
 * Looks beside the header that includes (for a name in quotes), then in -I, then in the include folder of the tree that the header is in,
 * then in the system's. Each folder is looked for only when what comes before it does not have the name.
 */
export function headerFinder(header: string, options: IncludeOptions): FindHeader {
  const { sources, read } = options;
  const prefix = revisionOf(header);
  const open = (name: string): SourceText | undefined => {
    // What is in a git tree is looked for there; what is nowhere in it, on this machine.
    const path = isAbsolute(name) ? name : prefix + posix.normalize(name);
    if (!sources.has(path)) {
      const text = read(path);
      sources.set(path, text === undefined ? undefined : new SourceText(path, text));
    }
    return sources.get(path);
  };
  let own: readonly string[] | undefined;
  function* folders(): Generator<string> {
    yield* options.include;
    own ??= treeFolders(header.slice(prefix.length), { ...options, has: (path) => open(path) !== undefined });
    yield* own;
    yield '/usr/include';
    yield `/usr/include/${TRIPLETS[options.target] ?? 'x86_64-linux-gnu'}`;
    yield '/usr/include/x86_64-linux-gnu';
  }
  return (name, { angled, from, after }) => {
    if (!angled && after === undefined) {
      const beside = open(join(dirname(from.slice(revisionOf(from).length)), name));
      if (beside) return beside;
    }
    let passed = after === undefined;
    for (const folder of folders()) {
      const found = open(join(folder, name)) ?? genericAsm(folder, { name, open });
      if (found === undefined) continue;
      if (passed && found.name !== from) return found;
      passed ||= found.name === from;
    }
    return undefined;
  };
}

/** The `REV:` of a path in a git tree. */
function revisionOf(path: string): string {
  return /^[^:/][^:]*:/.exec(path)?.[0] ?? '';
}

/** A tree's sources have no asm/x.h where a port uses the generic one: the build makes it. */
function genericAsm(
  folder: string,
  { name, open }: { name: string; open(path: string): SourceText | undefined },
): SourceText | undefined {
  if (!name.startsWith('asm/') || !folder.endsWith('include/uapi')) return undefined;
  return open(join(folder, `asm-generic/${name.slice(4)}`));
}

/** The include folders of the tree that a header is in: of an installed one, or of a kernel's sources. */
function treeFolders(header: string, { target, has }: { target: string; has(path: string): boolean }): string[] {
  let folder = dirname(header);
  for (let up = 0; up < MOST_FOLDERS_UP; up++) {
    if (has(join(folder, 'linux/types.h')) && !folder.endsWith('/uapi')) return [folder];
    for (const root of [folder, ...(folder.endsWith('include/uapi') ? [join(folder, '../..')] : [])]) {
      if (!has(join(root, 'include/uapi/linux/types.h'))) continue;
      const arch = join(root, `arch/${ARCH[target] ?? target}/include`);
      return [join(arch, 'uapi'), join(arch, 'generated/uapi'), join(root, 'include/uapi')];
    }
    if (has(join(folder, 'include/linux/types.h'))) return [join(folder, 'include')];
    const parent = dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  return [];
}
