import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { FAULT_POINTS, FAULT_RETURNS, type FaultReturn } from '../../driver/core/fault-points.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../selftest.js';
import type { Rule } from './plan-types.js';

/** Fault points of the kernel's kinds; allocations of slab that we have are those of the mirror's nodes. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  failslab: ['mirror_store'],
  fail_page_alloc: ['page_alloc', 'thp_alloc', 'page_table_alloc'],
  fail_usercopy: ['copy_from_user', 'copy_to_user'],
};

/** Fault points of functions that fail_function can name. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  hmm_range_fault: 'walk_abort',
  handle_mm_fault: 'handle_mm_fault',
  folio_isolate_lru: 'lru_isolate',
  folio_trylock: 'folio_trylock',
  migrate_vma_check_page: 'refcount_setup',
  folio_migrate_mapping: 'refcount_pages',
  mmu_interval_read_retry: 'interval_retry',
  mmu_interval_check_retry: 'interval_retry',
  __mmu_notifier_invalidate_range_start: 'notifier_invalidate',
  dmirror_devmem_alloc_page: 'device_page_alloc',
  dmirror_allocate_chunk: 'device_chunk_alloc',
  dmirror_devmem_fault: 'migrate_to_ram',
  dmirror_do_fault: 'mirror_store',
  dmirror_range_fault: 'range_timeout',
  split_huge_page_to_list_to_order: 'thp_split',
  swap_read_folio: 'swap_read',
  __pte_alloc: 'page_table_alloc',
  alloc_pages_noprof: 'page_alloc',
};

const KNOBS = new Set(['probability', 'interval', 'times', 'space']);

interface Imported {
  readonly rules: Rule[];
  /** Lines that have no counterpart, with the reason. */
  readonly left: { line: number; text: string; why: string }[];
}

/** `dmirror fault import FILE`: the plan goes to stdout, what was left out to stderr. */
export function importScript(file: string, output: Output): number {
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : error}`, 'name a shell script');
  }
  const { rules, left } = readScript(source);
  output.out(`# Imported from ${file}. The steps are an example: put in what the script ran.`);
  for (const { line, text, why } of left) output.out(`# line ${line}: ${text} - ${why}`);
  const plan = {
    name: 'imported',
    setup: [{ do: 'open' }, { do: 'map', name: 'buf', pages: 66 }, { do: 'store', on: 'buf' }],
    rules,
    steps: [
      { do: 'migrate_on_fault_to_dev', on: 'buf' },
      { do: 'migrate_to_sys', on: 'buf' },
    ],
  };
  output.out(stringify(plan).trimEnd());
  if (left.length > 0) output.err(`${left.length} lines have no counterpart; the plan lists them`);
  return EXIT.pass;
}

/** Reads `echo VALUE > .../KIND/KNOB` in all the ways such scripts are written. */
export function readScript(source: string): Imported {
  const variables = new Map<string, string>();
  const knobs = new Map<string, Record<string, number>>();
  const functions = new Map<string, { retval?: number }>();
  const left: Imported['left'] = [];
  let failNth = 0;
  for (const [i, raw] of source.split('\n').entries()) {
    const text = raw.replace(/(^|\s)#.*$/, '').trim();
    const skip = (why: string): void => void left.push({ line: i + 1, text, why });
    const set = /^(?:export\s+)?(\w+)=(\S*)$/.exec(text);
    if (set !== null) variables.set(set[1]!, unquote(set[2]!));
    const write =
      /^(?:sudo\s+)?(?:echo(?:\s+-n)?|printf(?:\s+["']?%\S+)?)\s+(.*?)\s*(?:>>?|\|\s*(?:sudo\s+)?tee(?:\s+-a)?\s)\s*(\S+)(?:\s*>\s*\/dev\/null)?$/.exec(
        text,
      );
    if (write === null) {
      if (/fault|fail/.test(text) && set === null) skip('not a write to a knob');
      continue;
    }
    const expand = (word: string): string =>
      unquote(word).replace(/\$\{?(\w+)\}?/g, (all, name: string) => variables.get(name) ?? all);
    const value = expand(write[1]!);
    const parts = expand(write[2]!)
      .split('/')
      .filter((part) => part !== '');
    const knob = parts.at(-1)!;
    const kind = parts.at(-2) ?? '';
    if (knob === 'fail-nth') failNth = Number(value);
    else if (kind === 'fail_function' && knob === 'inject') functions.set(value, functions.get(value) ?? {});
    else if (parts.at(-3) === 'fail_function' && knob === 'retval') functions.set(kind, { retval: Number(value) | 0 });
    else if ((kind in KINDS || kind === 'fail_function') && KNOBS.has(knob))
      knobs.set(kind, { ...knobs.get(kind), [knob]: Number(value) });
    else if (knob === 'task-filter' || knob === 'make-it-fail') skip('a plan is about one open file anyway');
    else if (knob === 'verbose' || knob.startsWith('stacktrace'))
      skip('reports always say which fault struck, and on what path');
    else skip(kind in KINDS ? `${kind} has no knob '${knob}' here` : `'${kind}' is no kind of fault that dmirror has`);
  }
  return { rules: rulesOf({ knobs, functions, failNth, left }), left };
}

function rulesOf({
  knobs,
  functions,
  failNth,
  left,
}: {
  knobs: ReadonlyMap<string, Record<string, number>>;
  functions: ReadonlyMap<string, { retval?: number }>;
  failNth: number;
  left: Imported['left'];
}): Rule[] {
  const rules: Rule[] = [];
  // The kernel looks at fail-nth first, and then at no other knob.
  const nth = failNth > 0 ? { nth: failNth } : {};
  const knobsOf = (values: Record<string, number>): Record<string, number> => (failNth > 0 ? {} : withoutZero(values));
  if (failNth > 0)
    left.push({ line: 0, text: 'fail-nth', why: 'it counts all kinds together; here each rule counts its own hits' });
  for (const [kind, values] of knobs) {
    for (const point of KINDS[kind] ?? [])
      rules.push({ point, ...knobsOf(values), ...nth, return: firstReturn(point) });
  }
  for (const [name, { retval }] of functions) {
    const point = FUNCTIONS[name];
    if (point === undefined) left.push({ line: 0, text: name, why: 'no fault point stands in this function' });
    else rules.push({ point, ...knobsOf(knobs.get('fail_function') ?? {}), ...nth, return: returnFor(point, retval) });
  }
  if (failNth > 0 && rules.length === 0)
    for (const points of Object.values(KINDS))
      for (const point of points) rules.push({ point, ...nth, return: firstReturn(point) });
  return rules.map((rule, i) => ({ name: `imported ${i + 1}`, ...rule }));
}

/** A probability of 0 is the kernel's "off", which is how a script ends. */
function withoutZero(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([knob, value]) => knob !== 'probability' || value > 0));
}

function firstReturn(point: string): FaultReturn {
  return FAULT_POINTS.find(({ name }) => name === point)!.returns[0]!;
}

/** The errno that the script asked for where the point can return it, else the point's first. */
function returnFor(point: string, retval: number | undefined): FaultReturn {
  const { returns } = FAULT_POINTS.find(({ name }) => name === point)!;
  return returns.find((name) => FAULT_RETURNS[name] === retval) ?? returns[0]!;
}

function unquote(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2').replaceAll('"', '');
}
