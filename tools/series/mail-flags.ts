import type { FilePatch } from '../abi/load/patch.js';

/** An enumerator or a macro: `MIGRATE_VMA_FAULT = 1 << 4,`. What ends as a statement is code, and is none. */
const FLAG =
  /^\s*(?:#\s*define\s+((?:MIGRATE_VMA|HMM_PFN)_\w+)\s+(.+)|((?:MIGRATE_VMA|HMM_PFN)_\w+)\s*(?:=(?!=)([^;]+)|,))$/;

/** The flags of migrate_vma_setup() and hmm_range_fault() that are new, have another value or are gone after all patches. */
export function mailFlags(patches: readonly FilePatch[]): string[] {
  const flags = new Map<string, { before?: string; readonly after: string[] }>();
  for (const { oldPath, newPath, hunks } of patches) {
    if (![oldPath, newPath].some((path) => path.endsWith('.h'))) continue;
    for (const line of hunks.flatMap((hunk) => hunk.lines)) {
      const [name, value] = flagIn(line.slice(1)) ?? [];
      if (name === undefined || value === undefined || line[0] === ' ') continue;
      const flag = flags.get(name) ?? { after: [] };
      flags.set(name, flag);
      // What goes is what an earlier line has brought, or what was there before all.
      const brought = flag.after.indexOf(value);
      if (line[0] === '+') flag.after.push(value);
      else if (brought >= 0) flag.after.splice(brought, 1);
      else flag.before ??= value;
    }
  }
  return [...flags].flatMap(([name, { before, after }]) => {
    const now = after.at(-1);
    if (now === before) return [];
    return now === undefined ? `${name} is gone` : `${name} ${now}`.trim();
  });
}

function flagIn(line: string): [name: string, value: string] | undefined {
  const plain = line.replace(/\/\*.*?(\*\/|$)|\/\/.*/g, '').trim();
  const [, macro, defined, enumerator, value = ''] = FLAG.exec(plain) ?? [];
  const name = macro ?? enumerator;
  return name === undefined ? undefined : [name, (defined ?? value).replace(/,\s*$/, '').replace(/\s+/g, ' ').trim()];
}
