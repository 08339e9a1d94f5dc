import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Header } from '../../../../../tools/abi/c/parse-header.js';
import { targetByName } from '../../../../../tools/abi/c/target.js';
import { parseFile } from '../../../../../tools/abi/load/load.js';
import { UsageError } from '../../../../../tools/exit-code.js';
import { stride } from '../../../../counts.js';
import { isInstalled, needs } from '../../../../needs.js';
import { askGcc, type Gcc, gccAccepts, type HeaderBits, type HeaderValue, valuesOf } from '../gcc.js';

// Every header of a tree against gcc: none that it accepts is refused, and every size, alignment, offset, ioctl number and constant is the
// one that it computes. The trees are those that DMIRROR_HEADER_TREES names with colons between, or this machine's own; and those of the
// cross compilers that are there.
const X86 = ['-isystem', '/usr/include/x86_64-linux-gnu'];
const TREES: readonly (readonly [tree: string, targets: Readonly<Record<string, Gcc>>])[] = [
  ...(process.env.DMIRROR_HEADER_TREES ?? '/usr/include').split(':').map((tree) => {
    const own = ['-isystem', tree, ...X86];
    return [tree, { x86_64: ['gcc', '-m64', ...own], i386: ['gcc', '-m32', ...own] }] as const;
  }),
  ['/usr/arm-linux-gnueabihf/include', { arm: ['arm-linux-gnueabihf-gcc'] }],
  ['/usr/aarch64-linux-gnu/include', { arm64: ['aarch64-linux-gnu-gcc'] }],
  ['/usr/riscv64-linux-gnu/include', { riscv64: ['riscv64-linux-gnu-gcc'] }],
];
/** The tree of whose headers CI takes most: of the last kernel that is named. */
const NEWEST = TREES.findLast(([, targets]) => 'x86_64' in targets)![0];

/** A header in so many is asked about; all of them in `npm run check:long`. */
function oneIn(tree: string): number {
  return stride(tree === NEWEST ? 6 : 30, 60);
}

const FOLDERS = ['linux', 'asm', 'asm-generic', 'drm', 'misc', 'mtd', 'rdma', 'scsi', 'sound', 'video', 'xen'];
/** What can be asked for at once: headers that can't be included together are asked about apart. */
const BATCH = 24;

function headersOf(tree: string): string[] {
  return FOLDERS.flatMap((folder) => {
    try {
      return (readdirSync(join(tree, folder), { recursive: true }) as string[]).map((name) => `${folder}/${name}`);
    } catch {
      return [];
    }
  })
    .filter((name) => name.endsWith('.h'))
    .sort();
}

interface Read {
  readonly name: string;
  readonly header: Header | UsageError;
}

function read(tree: string, name: string, target: string): Read {
  try {
    const path = join(tree, name);
    return {
      name,
      header: parseFile({ name, path, text: readFileSync(path, 'utf8') }, { target: targetByName(target)! }),
    };
  } catch (error) {
    if (error instanceof UsageError) return { name, header: error };
    throw error;
  }
}

interface Outcome {
  refusedByGcc: number;
  values: number;
  /** Macros that need a header which theirs does not include, and names that C has for nothing. */
  notAsked: number;
  wrong: string[];
}

/** Asks gcc about headers together, and about each half of them where it refuses that. */
function compareWithGcc(all: readonly Read[], gcc: Gcc, outcome: Outcome): void {
  const [one] = all;
  if (all.length === 1 && !gccAccepts(`#include <${one!.name}>\n`, gcc)) outcome.refusedByGcc++;
  else if (all.length === 1 && one!.header instanceof UsageError)
    outcome.wrong.push(`${one!.name}: ${one!.header.message}`);
  else {
    const each = all.map(({ header }) => (header instanceof UsageError ? { values: [], bits: [] } : valuesOf(header)));
    const values = each.flatMap((header) => header.values);
    const bits = each.flatMap((header) => header.bits);
    const source = all.map(({ name }) => `#include <${name}>\n`).join('');
    const isReadable = !all.some(({ header }) => header instanceof UsageError);
    // Alone first, as it is read; many need what others include.
    const sources = [...(all.length === 1 ? [source] : []), PROLOGUE + source];
    if (isReadable && sources.some((one) => compareValues(one, { values, bits }, { gcc, outcome }))) return;
    // Some don't bear what theirs would include either.
    if (all.length === 1)
      compareApart(sources.findLast((one) => gccAccepts(one, gcc))!, [...values, ...bits], { gcc, outcome });
    else for (const half of halves(all)) compareWithGcc(half, gcc, outcome);
  }
}

function halves<T>(list: readonly T[]): [readonly T[], readonly T[]] {
  return [list.slice(0, list.length >> 1), list.slice(list.length >> 1)];
}

/** The values that gcc takes, found by halves. */
function compareApart(
  source: string,
  asked: readonly (HeaderValue | HeaderBits)[],
  context: { gcc: Gcc; outcome: Outcome },
): void {
  const values = asked.filter((one): one is HeaderValue => !('field' in one));
  const bits = asked.filter((one): one is HeaderBits => 'field' in one);
  if (compareValues(source, { values, bits }, context)) return;
  if (asked.length <= 1) context.outcome.notAsked++;
  else for (const half of halves(asked)) compareApart(source, half, context);
}

/** False when gcc does not compile it. */
function compareValues(
  source: string,
  { values, bits }: { values: readonly HeaderValue[]; bits: readonly HeaderBits[] },
  { gcc, outcome }: { gcc: Gcc; outcome: Outcome },
): boolean {
  const theirs = askGcc(source, { values, bits }, gcc);
  if (theirs === undefined) return false;
  outcome.values += values.length + bits.length;
  values.forEach(({ name, ours }, i) => {
    // A pointer that becomes a wider number is sign-extended.
    const isPointer =
      is32Bit(gcc) && ours >> 31n === 1n && BigInt.asIntN(32, ours) === BigInt.asIntN(64, theirs.values[i]!);
    if (ours !== theirs.values[i] && !isPointer) outcome.wrong.push(`${name} is ${theirs.values[i]}, not ${ours}`);
  });
  bits.forEach(({ name, ours }, i) => {
    if (ours !== theirs.bits[i]) outcome.wrong.push(`${name} is ${theirs.bits[i]}, not ${ours}`);
  });
  return true;
}

const PROLOGUE = '#include <stddef.h>\n#include <linux/types.h>\n#include <linux/ioctl.h>\n';

function is32Bit([command, flag]: Gcc): boolean {
  return flag === '-m32' || command.startsWith('arm-');
}

describe.each(TREES)('the headers of %s', (tree, targets) => {
  const lines: string[] = [];
  afterAll(() => console.log(lines.join('\n')));
  const names = headersOf(tree).filter((_, i) => i % oneIn(tree) === 0);

  const [[compiler]] = Object.values(targets) as [Gcc];
  const lacking = isInstalled(compiler) ? `headers in ${tree}` : compiler;
  const given = needs(lacking, isInstalled(compiler) && names.length > 0);

  test.each(Object.entries(targets))('have on %s what gcc computes', given, (target, gcc) => {
    const outcome: Outcome = { refusedByGcc: 0, values: 0, notAsked: 0, wrong: [] };
    const all = names.map((name) => read(tree, name, target));
    // Those of the machine are often one for each width of it.
    const own = all.filter(({ name }) => name.startsWith('asm'));
    const others = all.filter(({ name }) => !name.startsWith('asm'));
    for (const one of own) compareWithGcc([one], gcc, outcome);
    for (let i = 0; i < others.length; i += BATCH) compareWithGcc(others.slice(i, i + BATCH), gcc, outcome);
    const refused = all.filter(({ header }) => header instanceof UsageError).length;
    lines.push(
      `${tree} on ${target}: ${names.length} headers, ${outcome.values} values compared, ${outcome.notAsked} not asked, gcc refuses ${outcome.refusedByGcc}, we refuse ${refused}`,
    );
    expect(outcome.wrong).toEqual([]);
    expect(outcome.values).toBeGreaterThan(names.length);
    expect(refused).toBeLessThanOrEqual(outcome.refusedByGcc);
    expect(outcome.notAsked * 100).toBeLessThanOrEqual(outcome.values);
  });
});
