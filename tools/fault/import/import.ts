import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { INJECT_POINTS, INJECT_RETURNS, type InjectReturn, pointByName } from '../../../driver/inject/inject-points.js';
import { EXIT, UsageError } from '../../exit-code.js';
import type { Output } from '../../output.js';
import type { Rule } from '../plans/plan-types.js';
import { type ShellWrite, shellWrites } from './shell-writes.js';

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

/** What a script says of fault injection, whichever way it is written. */
class Script {
  readonly left: Imported['left'] = [];
  /** By kind. */
  readonly knobs = new Map<string, Record<string, number>>();
  /** Kinds with a task-filter. */
  readonly filtered = new Set<string>();
  readonly functions = new Map<string, { retval?: number; where: ShellWrite }>();
  failNth: { nth: number; where: ShellWrite } | undefined;

  take(write: ShellWrite): void {
    const parts = write.path.split('/').filter((part) => part !== '');
    const knob = parts.at(-1) ?? '';
    const kind = parts.at(-2) ?? '';
    if (knob === 'fail-nth') this.setFailNth(write);
    else if (knob === 'make-it-fail') this.skip(write, "who fails is a rule's `fd` or `process`");
    else if (kind === 'fail_function' && knob === 'inject') this.inject(write);
    else if (parts.at(-3) === 'fail_function' && knob === 'retval') this.setRetval(kind, write);
    else if (kind in KINDS || kind === 'fail_function') this.setKnob(kind, knob, write);
    else if (/fail|fault/.test(write.path)) this.skip(write, `'${kind}' is no kind of fault that dmirror has`);
  }

  /** An empty name, or one behind a `!`, ends what was begun, as scripts do when they are done. */
  private inject(where: ShellWrite): void {
    const name = where.value.trim();
    if (name !== '' && !name.startsWith('!')) this.functions.set(name, { where, ...this.functions.get(name) });
  }

  /** 0 ends it. */
  private setFailNth(where: ShellWrite): void {
    const nth = wholeNumber(where.value);
    if (nth === undefined || nth < 0) this.skip(where, 'fail-nth is a whole number from 0');
    else this.failNth = nth === 0 ? undefined : { nth, where };
  }

  private setRetval(name: string, where: ShellWrite): void {
    const retval = wholeNumber(where.value);
    if (retval === undefined) this.skip(where, 'retval is a whole number');
    else this.functions.set(name, { where, ...this.functions.get(name), retval: retval | 0 });
  }

  private setKnob(kind: string, knob: string, write: ShellWrite): void {
    const value = wholeNumber(write.value);
    if (knob === 'task-filter') {
      if (/^[Yy1]/.test(write.value)) this.filtered.add(kind);
    } else if (knob.startsWith('verbose') || knob.startsWith('stacktrace'))
      this.skip(write, 'reports always say which fault struck, and on what path');
    else if (!KNOBS.has(knob) && !(kind === 'fail_page_alloc' && knob === 'min-order'))
      this.skip(write, `${kind} has no knob '${knob}' here`);
    else if (value === undefined) this.skip(write, `${knob} is a whole number`);
    else this.knobs.set(kind, { ...this.knobs.get(kind), [knob]: value });
  }

  skip({ line, text }: { line: number; text: string }, why: string): void {
    this.left.push({ line, text, why });
  }
}

function wholeNumber(text: string): number | undefined {
  return text.trim() !== '' && Number.isInteger(Number(text)) ? Number(text) : undefined;
}

/** Reads `echo VALUE > .../KIND/KNOB` in all the ways such scripts are written. */
export function readScript(source: string): Imported {
  const { writes, unknown } = shellWrites(source);
  const script = new Script();
  for (const write of writes) script.take(write);
  for (const { why, ...where } of unknown) script.skip(where, why);
  const rules = rulesOf(script);
  return { rules, left: script.left.sort((a, b) => a.line - b.line) };
}

function rulesOf(script: Script): Rule[] {
  const { knobs, functions, failNth } = script;
  const rules: Rule[] = [];
  if (failNth !== undefined)
    script.skip(failNth.where, 'it counts all kinds together; here each rule counts its own hits');
  for (const [kind, values] of knobs) {
    for (const point of pointsOf(kind, values))
      rules.push({ point, ...knobsOf(script, kind), return: firstReturn(point) });
  }
  for (const [name, { retval, where }] of functions) {
    const point = FUNCTIONS[name];
    if (point === undefined) script.skip(where, `no fault point stands in ${name}()`);
    else rules.push({ point, ...knobsOf(script, 'fail_function'), return: returnFor(point, retval) });
  }
  if (failNth !== undefined && rules.length === 0) {
    for (const point of Object.values(KINDS).flat())
      rules.push({ point, ...knobsOf(script, ''), return: firstReturn(point) });
  }
  return rules.map((rule, i) => ({ name: `imported ${i + 1}`, ...rule }));
}

/** The kernel looks at fail-nth first, of the task that wrote it, and then at no other knob. */
function knobsOf({ knobs, filtered, failNth }: Script, kind: string): Partial<Rule> {
  if (failNth !== undefined) return { nth: failNth.nth };
  const { 'min-order': _, ...values } = knobs.get(kind) ?? {};
  return { ...(filtered.has(kind) ? {} : { scope: 'machine' as const }), ...withoutZero(values) };
}

/** A huge page is of order 9; all else is single pages. */
function pointsOf(kind: string, { 'min-order': minOrder = 0 }: Record<string, number>): readonly string[] {
  const points = KINDS[kind] ?? [];
  return minOrder === 0 ? points : points.filter((point) => point === 'thp_alloc' && minOrder <= 9);
}

/** A probability of 0 is the kernel's "off", which is how a script ends. */
function withoutZero(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([knob, value]) => knob !== 'probability' || value > 0));
}

function firstReturn(point: string): InjectReturn {
  return INJECT_POINTS[pointByName(point)]!.returns[0]!;
}

/** The errno that the script asked for where the point can return it, else the point's first. */
function returnFor(point: string, retval: number | undefined): InjectReturn {
  const { returns } = INJECT_POINTS[pointByName(point)]!;
  return returns.find((name) => INJECT_RETURNS[name] === retval) ?? returns[0]!;
}
