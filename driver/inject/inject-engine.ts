import { assert } from '../core/assert.js';
import { callPath } from '../core/call-path.js';
import { type Coroutine, preemptPoint } from '../core/effect.js';
import { Access, NUMBERED, type Observer, Shared } from '../core/observer.js';
import { Prng } from '../core/prng.js';
import type { Task } from '../core/task.js';
import { type FaultAttr, shouldFail } from './fault-attr.js';
import { InjectContext } from './inject-context.js';
import { INJECT_POINTS, InjectPoint, type InjectPointId, PHASES, Phase } from './inject-points.js';

const PHASE_COUNT = PHASES.length;
const REACH_POINT = preemptPoint('injection point');

/** Which hits a rule is about; what is left out matches all. Pids, fds, files and devices by number. */
export interface InjectWhere {
  /** Any of these: they share the rule's knobs, as all calls of one kind share them in Linux. */
  readonly points: readonly InjectPointId[];
  readonly phase?: number;
  readonly pid?: number;
  readonly fd?: number;
  readonly device?: number;
  readonly file?: number;
  readonly command?: string;
  readonly dialect?: string;
  /** [start, end) that the page worked on lies in. */
  readonly range?: { readonly start: number; readonly end: number };
  /** The page of the call, from 0. */
  readonly page?: number;
  /** Only while one of these functions of ours is on the stack. */
  readonly caller?: ReadonlySet<string>;
}

/** One rule of an armed engine. */
export interface InjectRule {
  readonly name: string;
  readonly where: InjectWhere;
  readonly attr: FaultAttr;
  /** Only the nth of the hits that match, from 1; 0 for any. */
  readonly nth: number;
  /** What is written down as the point, where that is not its name. */
  readonly as?: string;
  /** Not before this other rule has fired. */
  readonly after: string | null;
  /** Not while this says no. */
  readonly isReady?: (context: InjectContext) => boolean;
  /** Result of each point; without one it goes on. */
  readonly returns: Readonly<Partial<Record<InjectPointId, number>>>;
  /** Extra number of the result: bytes done. */
  readonly bytes: number;
  readonly delayTicks: number;
  /** Runs before the point returns; only where the point may sleep. */
  readonly run: ((context: InjectContext) => Coroutine<void>) | null;
}

/** A rule that struck. */
export interface Fired {
  readonly rule: string;
  readonly point: string;
  readonly phase: string;
  readonly command: string;
  readonly pid: number;
  readonly page: number;
  readonly addr: number;
  readonly tick: number;
  /** The kernel functions on the way to the point, innermost first; empty where a rule has struck very often. */
  readonly path: readonly string[];
}

/** Hits of one point in one phase. */
export interface SiteCount {
  readonly point: InjectPointId;
  readonly phase: number;
  readonly hits: number;
  /** Which of the hits (from 1) were on the first or last page of a chunk. */
  readonly edges: readonly number[];
}

interface RuleState {
  readonly rule: InjectRule;
  /** This life's copy of the rule's. */
  readonly attr: FaultAttr;
  matches: number;
  strikes: number;
}

/** What the engine asks of the scheduler. */
interface InjectHost {
  readonly observer?: Observer | null;
  readonly current: Task | null;
  readonly clock: { readonly nowTicks: number };
}

const NOBODY: InjectHost = { current: null, clock: { nowTicks: 0 } };

/**
 * The injection points of one machine. Kernel code asks `armed` first, and nothing else while no plan runs; then `hit` at
 * points that must not sleep, `reach` at those that may.
 */
export class InjectEngine {
  armed = false;
  /** Bytes that a SHORT copy or a failing user copy may still do; belongs to the last result. */
  bytes = 0;
  readonly fired: Fired[] = [];
  /** Called for each rule that strikes, in kernel context. */
  onFire: ((fired: Fired) => void) | null = null;
  /** An invalidation that may not sleep finds the file's mutex taken. */
  refusesMutex = false;
  /** Sends SIGKILL to a process; the machine's. */
  kill: ((pid: number) => void) | null = null;
  /** Pages that a command faults at a time, and that it migrates at a time; the machine's. */
  chunks = { faultPages: 64, migratePages: 64 };
  /** Also record which functions led to a firing point; costs a stack walk a firing. */
  tracesPaths = true;
  /** The rules about each point, in order. */
  private rulesAt: (RuleState[] | undefined)[] = [];
  private readonly struck = new Set<string>();
  private counts: Int32Array | null = null;
  private edges: number[][] = [];
  private prng = new Prng(1);
  private contexts = new WeakMap<Task, InjectContext>();
  /** The answer of `context` for the task that asked last. */
  private lastTask: Task | null = null;
  private lastContext: InjectContext | null = null;

  /** `report` is for the trace of the machine. */
  constructor(
    private readonly host: InjectHost = NOBODY,
    private readonly report: (fired: Fired) => void = () => {},
  ) {}

  /** Begins to apply `rules`, and with `counts` to count every hit. */
  arm(rules: readonly InjectRule[], { seed, counts = false }: { seed: number; counts?: boolean }): void {
    this.reset();
    this.setRules(rules);
    this.prng.reseed(seed);
    if (counts) {
      this.counts = new Int32Array(INJECT_POINTS.length * PHASE_COUNT);
      this.edges = INJECT_POINTS.flatMap(() => PHASES.map(() => []));
    }
    this.armed = true;
  }

  /**
   * Ends the counting and goes on with these rules as if they had been armed with it: the hits so far were theirs, though
   * none struck. They may name points and a phase, and nothing else.
   */
  resume(rules: readonly InjectRule[]): void {
    const { counts } = this;
    assert(counts !== null && this.armed, 'rules go on where nothing was counted');
    this.counts = null;
    for (const state of this.setRules(rules)) {
      const { points, phase, ...more } = state.rule.where;
      assert(
        phase !== undefined && Object.keys(more).length === 0,
        'rule % asks for more than a site',
        state.rule.name,
      );
      for (const point of points) state.matches += hitsAt(counts, point, phase);
    }
  }

  /** No faults any more; what fired stays readable until the next `arm`. */
  disarm(): void {
    this.armed = false;
  }

  reset(): void {
    this.armed = false;
    this.bytes = 0;
    this.refusesMutex = false;
    this.rulesAt = [];
    this.lastTask = null;
    this.fired.length = 0;
    this.struck.clear();
    this.counts = null;
    this.edges = [];
    this.onFire = null;
  }

  /** Sites that were reached since `arm`, if counting. */
  siteCounts(): SiteCount[] {
    const found: SiteCount[] = [];
    this.counts?.forEach((hits, i) => {
      const point = Math.floor(i / PHASE_COUNT) as InjectPointId;
      if (hits > 0) found.push({ point, phase: i % PHASE_COUNT, hits, edges: this.edges[i]! });
    });
    return found;
  }

  /** Hits so far by point and phase, if counting: a copy, for `hitsAt`. */
  hitCounts(): Int32Array {
    return this.counts?.slice() ?? new Int32Array(INJECT_POINTS.length * PHASE_COUNT);
  }

  private setRules(rules: readonly InjectRule[]): RuleState[] {
    this.rulesAt = [];
    const states = rules.map((rule) => ({ rule, attr: { ...rule.attr }, matches: 0, strikes: 0 }));
    for (const state of states) {
      for (const point of state.rule.where.points) this.rulesAt[point] = [...(this.rulesAt[point] ?? []), state];
    }
    return states;
  }

  /** A system call begins; its context replaces that of the call before. */
  beginCall(
    task: Task,
    { pid, tid, name, args }: { pid: number; tid: number; name: string; args: readonly unknown[] },
  ): void {
    const context = new InjectContext(pid, tid, name);
    const first = typeof args[0] === 'number' ? args[0] : -1;
    if (name.startsWith('ioctl')) context.fd = first;
    else context.begins(first);
    this.contexts.set(task, context);
    this.lastTask = null;
  }

  /** The running task's command works on a range that begins at `addr`. */
  begins(addr: number): void {
    this.context?.begins(addr);
  }

  /**
   * The running task serves a CPU's access to a page of an open file: until the answer is called, that file and page are
   * what it works on.
   */
  serveCpu(file: number, device: number, addr: number): (() => void) | null {
    const { context } = this;
    if (context === null) return null;
    const { command, phase, start, at } = context;
    const before = { command, phase, start, at, file: context.file, device: context.device };
    Object.assign(context, { command: 'cpu-fault', phase: Phase.call, start: addr, at: addr, file, device });
    return () => void Object.assign(context, before);
  }

  /** A command is about to take its next chunk, which a fatal signal or (`takesLock`) a busy mmap_lock may hold up. */
  *betweenChunks(addr: number, takesLock = false): Coroutine<void> {
    const { context } = this;
    if ((yield* this.reach(InjectPoint.taskKilled, addr)) !== 0 && context !== null) this.kill?.(context.pid);
    if (takesLock) yield* this.reach(InjectPoint.mmapLock, addr);
  }

  /** Ends what lasts as long as the call. */
  endCall(task: Task): void {
    for (const end of this.contexts.get(task)?.atEnd.splice(0) ?? []) end();
  }

  /** Of the running task; null outside of a system call that began while armed. */
  get context(): InjectContext | null {
    const { current } = this.host;
    if (current === null) return null;
    if (current !== this.lastTask) {
      this.lastTask = current;
      this.lastContext = this.contexts.get(current) ?? null;
    }
    return this.lastContext;
  }

  /** The running task enters a phase; returns the one it was in, for those that are nested. */
  enter(phase: number): number {
    const { context } = this;
    if (context === null) return 0;
    const before = context.phase;
    context.phase = phase;
    return before;
  }

  /** The running task turns to this page. */
  at(addr: number): void {
    const { context } = this;
    if (context !== null) context.at = addr;
  }

  /** An atomic point: what it shall return, 0 to go on. */
  hit(point: InjectPointId, addr = -1, size = 1): number {
    const rule = this.strike(point, addr, size);
    if (rule === null) return 0;
    this.bytes = rule.bytes;
    return rule.returns[point] ?? 0;
  }

  /**
   * No rule is about this point, which is counted then, and whoever comes by need not make the coroutine of `reach`: half
   * of a sweep's time is spent where nothing strikes.
   */
  isQuiet(point: InjectPointId, addr = -1): boolean {
    if (this.rulesAt[point] !== undefined) return false;
    const { context } = this;
    if (context === null) return true;
    if (addr >= 0) context.at = addr;
    if (this.counts !== null) this.count(point, context);
    return true;
  }

  /** A point that may sleep: delays the task and runs actions first. */
  *reach(point: InjectPointId, addr = -1): Coroutine<number> {
    const rule = this.strike(point, addr, 1);
    if (rule === null) return 0;
    const { context } = this;
    if (rule.delayTicks > 0) yield { kind: 'sleep', ticks: rule.delayTicks };
    if (rule.run !== null && context !== null) {
      yield REACH_POINT;
      yield* rule.run(context);
    }
    this.bytes = rule.bytes;
    return rule.returns[point] ?? 0;
  }

  private strike(point: InjectPointId, addr: number, size: number): InjectRule | null {
    const { context } = this;
    if (context === null) return null;
    if (addr >= 0) context.at = addr;
    if (this.counts !== null) this.count(point, context);
    const rules = this.rulesAt[point];
    if (rules === undefined) return null;
    // Whose hit is the nth depends on who came before.
    this.host.observer?.touch(Shared.nextNumber, NUMBERED.hit + point, Access.write, 1);
    for (const state of rules) {
      const { rule } = state;
      if (!matches(rule.where, context) || !this.hasStruck(rule.after) || rule.isReady?.(context) === false) continue;
      state.matches++;
      if (rule.nth !== 0 && state.matches !== rule.nth) continue;
      if (!shouldFail(state.attr, size, this.prng)) continue;
      this.record(state, point, context);
      return rule;
    }
    return null;
  }

  /** Whether a rule of that name has struck, which is true of none. */
  hasStruck(name: string | null): boolean {
    return name === null || this.struck.has(name);
  }

  /** A rule struck, here or somewhere outside of the kernel. */
  note(fired: Fired): void {
    this.struck.add(fired.rule);
    this.fired.push(fired);
    this.report(fired);
    this.onFire?.(fired);
  }

  private count(point: InjectPointId, context: InjectContext): void {
    const i = point * PHASE_COUNT + context.phase;
    const hits = ++this.counts![i]!;
    const { faultPages, migratePages } = this.chunks;
    const chunkPages = context.phase <= Phase.rangeFault ? faultPages : migratePages;
    const inChunk = context.page % chunkPages;
    if (context.page > 0 && (inChunk === 0 || inChunk === chunkPages - 1)) this.edges[i]!.push(hits);
  }

  private record(state: RuleState, point: InjectPointId, context: InjectContext): void {
    const { rule } = state;
    const fired: Fired = {
      rule: rule.name,
      point: rule.as ?? INJECT_POINTS[point]!.name,
      phase: PHASES[context.phase]!,
      command: context.command,
      pid: context.pid,
      page: context.page,
      addr: context.at,
      tick: this.host.clock.nowTicks,
      path: this.tracesPaths && state.strikes++ < TRACED_STRIKES ? pathToPoint() : [],
    };
    this.note(fired);
  }
}

/** Of one site in what `hitCounts` answers. */
export function hitsAt(counts: Int32Array, point: InjectPointId, phase: number): number {
  return counts[point * PHASE_COUNT + phase]!;
}

function matches(where: InjectWhere, context: InjectContext): boolean {
  if (where.phase !== undefined && where.phase !== context.phase) return false;
  if (where.file !== undefined && where.file !== context.file) return false;
  if (where.pid !== undefined && where.pid !== context.pid) return false;
  if (where.fd !== undefined && where.fd !== context.fd) return false;
  if (where.device !== undefined && where.device !== context.device) return false;
  if (where.command !== undefined && where.command !== context.command) return false;
  if (where.dialect !== undefined && where.dialect !== context.dialect) return false;
  if (where.page !== undefined && where.page !== context.page) return false;
  const { range, caller } = where;
  if (range !== undefined && (context.at < range.start || context.at >= range.end)) return false;
  return caller === undefined || pathToPoint().some((name) => caller.has(name));
}

/** Strikes of one rule whose stack is looked at: a rule that always strikes does so a hundred thousand times a second. */
const TRACED_STRIKES = 100;

/** The kernel's functions above the injection point, innermost first. */
function pathToPoint(): string[] {
  const names = callPath();
  return names.slice(1 + names.findIndex((name) => name === 'hit' || name === 'reach'));
}
