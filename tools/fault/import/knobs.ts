import { INJECT_POINTS, INJECT_RETURNS, type InjectReturn, pointByName } from '../../../driver/inject/inject-points.js';
import type { Rule } from '../plans/plan-schema.js';
import type { ShellLine, ShellWrite } from './shell-events.js';

/** A line that has no counterpart, with the reason. */
export interface Left extends ShellLine {
  readonly why: string;
}

/** Fault points of each kind of the kernel's faults. */
export const KINDS: Readonly<Record<string, readonly string[]>> = {
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

const HUGE_ORDER = 9;
const KNOBS = new Set(['probability', 'interval', 'times', 'space']);
const REPORTS = /^(?:verbose|stacktrace)/;
const SILENT = 'reports always say which fault struck, and on what path';

type Values = Readonly<Record<string, number | undefined>>;
interface FailingFunction {
  readonly place: ShellLine;
  readonly isInjected: boolean;
  readonly retval?: number;
}

/** What the files of the kernel's fault injection hold at one moment of a script. */
export class Knobs {
  private kinds: Readonly<Record<string, Values>> = {};
  /** Kinds with a task-filter. */
  private filtered: readonly string[] = [];
  private functions: Readonly<Record<string, FailingFunction>> = {};
  private failNth = 0;

  copy(): Knobs {
    return Object.assign(new Knobs(), this);
  }

  restore(other: Knobs): void {
    Object.assign(this, other);
  }

  set(kind: string, values: Values): void {
    this.kinds = { ...this.kinds, [kind]: { ...this.kinds[kind], ...values } };
  }

  /** One write to a file; why it has no counterpart, if it has none. */
  write({ path, value, ...place }: ShellWrite): string | undefined {
    const [above, kind = '', knob = ''] = ['', '', '', ...path.split('/').filter((part) => part !== '')].slice(-3);
    const number = wholeNumber(value);
    if (knob === 'make-it-fail') return "who fails is a rule's `fd` or `process`";
    if (knob === 'fail-nth') {
      if (number === undefined || number < 0) return 'fail-nth is a whole number from 0';
      this.failNth = number;
    } else if (kind === 'fail_function' && knob === 'inject') this.inject(value.trim(), place);
    else if (above === 'fail_function' && knob === 'retval') {
      if (number === undefined) return 'retval is a whole number';
      this.setFunction(kind, { place, retval: number | 0 });
    } else if (Object.hasOwn(KINDS, kind) || kind === 'fail_function') return this.writeKnob(kind, knob, value);
    else if (/fail|fault/.test(path)) return `'${kind}' is no kind of fault that dmirror has`;
    return undefined;
  }

  /** The options of the kernel's failcmd.sh; why some have no counterpart. Linux: tools/testing/fault-injection/failcmd.sh */
  failcmd(words: readonly string[], kind: string): string[] {
    if (!Object.hasOwn(KINDS, kind)) return [`'${kind}' is no kind of fault that dmirror has`];
    this.set(kind, { probability: 1, times: 1 });
    this.filtered = [...this.filtered, kind];
    const left: string[] = [];
    for (let i = 0; i < words.length && words[i]!.startsWith('-') && words[i] !== '--'; i++) {
      const [, short, attached, long, given] = /^(?:-(\w)(.*)|--([\w-]+)(?:=(.*))?)$/.exec(words[i]!) ?? [];
      const knob = long ?? FAILCMD_OPTIONS[short ?? ''] ?? short ?? '';
      const value = (short === undefined ? given : attached || undefined) ?? words[++i] ?? '';
      const why = knob === 'oom-kill-allocating-task' ? undefined : this.writeKnob(kind, knob, value);
      if (why !== undefined) left.push(why);
    }
    return left;
  }

  /** How much is armed: kinds and functions. */
  get armed(): number {
    const kinds = Object.keys(this.kinds).filter((kind) => this.isOn(kind));
    const functions = Object.values(this.functions).filter(({ isInjected }) => isInjected);
    return (this.failNth > 0 ? 1 : 0) + kinds.length + functions.length;
  }

  /** The rules that do the same, and what has none. */
  rules(): { rules: Rule[]; left: Left[] } {
    const rules: Omit<Rule, 'name'>[] = [];
    const left: Left[] = [];
    const injected = Object.entries(this.functions).filter(([, { isInjected }]) => isInjected);
    const points = injected.flatMap(([name, { place }]) => {
      const point = FUNCTIONS[name];
      if (point === undefined) left.push({ ...place, why: `no fault point stands in ${name}()` });
      return point === undefined ? [] : [point];
    });
    if (this.failNth > 0) {
      // Linux looks at fail-nth before all other knobs, and counts every kind. lib/fault-inject.c:should_fail_ex()
      const all = [...new Set([...Object.values(KINDS).flat(), ...points])];
      return { rules: named([{ point: all, nth: this.failNth, return: firstReturns(all) }]), left };
    }
    for (const kind of Object.keys(this.kinds)) {
      const all = this.pointsOf(kind);
      if (all.length > 0 && this.isOn(kind))
        rules.push({ point: single(all), ...this.knobsOf(kind), return: firstReturns(all) });
    }
    if (this.isOn('fail_function') && points.length > 0) {
      const returns = injected.flatMap(([name, { retval }]) =>
        FUNCTIONS[name] === undefined ? [] : [returnFor(FUNCTIONS[name], retval)],
      );
      rules.push({
        point: single([...new Set(points)]),
        ...this.knobsOf('fail_function'),
        return: single([...new Set(returns)]),
      });
    }
    return { rules: named(rules), left };
  }

  /** A probability that nobody wrote is left to the plan. */
  private isOn(kind: string): boolean {
    const { probability, times } = this.kinds[kind] ?? {};
    return probability !== 0 && times !== 0;
  }

  private writeKnob(kind: string, knob: string, value: string): string | undefined {
    const number = wholeNumber(value);
    if (knob === 'task-filter') {
      this.filtered = this.filtered.filter((one) => one !== kind);
      if (/^[Yy1]/.test(value)) this.filtered = [...this.filtered, kind];
      return undefined;
    }
    if (REPORTS.test(knob)) return SILENT;
    if (!KNOBS.has(knob) && !(kind === 'fail_page_alloc' && knob === 'min-order'))
      return `${kind} has no knob '${knob}' here`;
    if (number === undefined) return `${knob} is a whole number`;
    this.set(kind, { [knob]: number });
    const isTooLarge = knob === 'min-order' && number > HUGE_ORDER;
    return isTooLarge ? `nothing larger than order ${HUGE_ORDER} is allocated here` : undefined;
  }

  /** An empty name ends all, and one behind a `!` ends that one. */
  private inject(name: string, place: ShellLine): void {
    if (name === '') this.functions = {};
    else if (name.startsWith('!')) this.setFunction(name.slice(1), { place, isInjected: false });
    else this.setFunction(name, { place, isInjected: true });
  }

  private setFunction(name: string, values: Partial<FailingFunction> & { place: ShellLine }): void {
    const before = this.functions[name] ?? { isInjected: false };
    this.functions = { ...this.functions, [name]: { ...before, ...values } };
  }

  private knobsOf(kind: string): Partial<Rule> {
    const { 'min-order': _, ...values } = this.kinds[kind] ?? {};
    return { ...(this.filtered.includes(kind) ? {} : { scope: 'machine' as const }), ...values } as Partial<Rule>;
  }

  /** All but huge pages are single pages. */
  private pointsOf(kind: string): readonly string[] {
    const { 'min-order': minOrder = 0 } = this.kinds[kind] ?? {};
    const points = KINDS[kind] ?? [];
    return minOrder === 0 ? points : points.filter((point) => point === 'thp_alloc' && minOrder <= HUGE_ORDER);
  }
}

const FAILCMD_OPTIONS: Readonly<Record<string, string>> = {
  p: 'probability',
  i: 'interval',
  t: 'times',
  s: 'space',
  v: 'verbose',
};

function named(rules: readonly Omit<Rule, 'name'>[]): Rule[] {
  return rules.map((rule, i) => ({ name: `imported ${i + 1}`, ...rule }));
}

function single<T>(values: readonly T[]): T | T[] {
  return values.length === 1 ? values[0]! : [...values];
}

function wholeNumber(text: string): number | undefined {
  return text.trim() !== '' && Number.isInteger(Number(text)) ? Number(text) : undefined;
}

function firstReturns(points: readonly string[]): InjectReturn | InjectReturn[] {
  return single([...new Set(points.map((point) => INJECT_POINTS[pointByName(point)]!.returns[0]!))]);
}

/** The errno that the script asked for where the point can return it, else the point's first. */
function returnFor(point: string, retval: number | undefined): InjectReturn {
  const { returns } = INJECT_POINTS[pointByName(point)]!;
  return returns.find((name) => INJECT_RETURNS[name] === retval) ?? returns[0]!;
}
