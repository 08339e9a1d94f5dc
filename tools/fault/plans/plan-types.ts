import type { PhaseName } from '../../../driver/inject/inject-points.js';
import type { PathName } from '../../../uapi/path-name.js';
import { type FaultPhase, type FaultReturn, faultPoint } from '../fault-points.js';

/** What a plan's machine is; what is left out is the default of `dmirror`. */
export interface PlanMachine {
  /** Whose kernel's semantics it has: `6.12` (the default), `6.19` or `7.3`, or a version that behaves as one of them. */
  profile?: string;
  path?: PathName;
  seed?: number;
  scheduler?: 'round-robin' | 'random';
  coherent?: boolean;
  swap_mib?: number;
  ram_mib?: number;
  huge_pages?: number;
  thp?: 'always' | 'madvise' | 'never';
  /** A daemon serves it, and all calls are frames. So it is anyway where a rule or a step is about sessions. */
  served?: boolean;
  /** Of that daemon. */
  limits?: Partial<Record<PlanLimit, number>>;
}

/** Limits of the daemon, by their names in plans. */
export const PLAN_LIMITS = {
  frame_bytes: 'frameBytes',
  queue_calls: 'queueCalls',
  queue_bytes: 'queueBytes',
  unsent_bytes: 'unsentBytes',
  sessions: 'sessions',
  threads: 'threads',
  files: 'files',
  mappings: 'mappings',
  call_steps: 'callSteps',
} as const;
export type PlanLimit = keyof typeof PLAN_LIMITS;

/** What must hold after a step, or (`fired`) after the plan. Errnos by name. */
export interface Expect {
  ret?: number | string;
  cpages?: number;
  faults?: number;
  /** Signal number of a load or store; 0 for none. */
  signal?: number;
  /** Each page of the step's memory holds this value plus its number. */
  memory?: number;
  /** What the command stored at `ptr` is this value plus the page's number. */
  data?: number;
  /** As `inspect page_table` has it, one line for equal neighbours. */
  page_table?: string;
  /** Snapshot bytes in hexadecimal, as SNAPSHOT stored them. */
  snapshot?: string;
  /** Counters of page table work, of this step alone. */
  walks?: number;
  resumptions?: number;
  remote_faults?: number;
  /** How often rules have fired so far, by name. */
  fired?: Record<string, number>;
  /** Code of the protocol error that came for it, `disconnected` when the session was lost, `none`. */
  error?: string;
  /** What has become of the step's session. */
  session?: SessionState;
  /** What has become of sessions, by name. */
  sessions?: Record<string, SessionState>;
}

type SessionState = 'open' | 'ended';

/** One call, or several at once. Names are of things that earlier steps made. */
export interface Step {
  do: string;
  process?: string;
  /** Of `process` and `drop`: which one, `main` unless given. */
  session?: string;
  device?: string;
  /** Name of a mapping. */
  on?: string;
  /** `3`, or `0-7`; all pages of the mapping unless given. */
  pages?: number | string;
  /** Of what `map`, `open`, `fork` and `process` make. */
  name?: string;
  prot?: string;
  advice?: string;
  value?: number;
  shared?: boolean;
  /** Aligned to 2 MiB, with MADV_HUGEPAGE. */
  huge?: boolean;
  minor?: number;
  dialect?: string;
  file?: boolean;
  /** Of `together`: steps whose calls are issued at once, each from a thread of its own. */
  steps?: Step[];
  expect?: Expect;
}

/** One fault. Everything in it narrows where it strikes, says how often, or what it does. */
export interface Rule {
  name?: string;
  /** One, or several that share the knobs and the count of hits. */
  point: string | string[];
  phase?: FaultPhase;
  /** Only while this function of the kernel is on the stack, by the kernel's name or ours. */
  caller?: string;
  process?: string;
  /** An open file of the plan. Without it, and without `scope: machine`, the first file that the setup opens. */
  fd?: string;
  scope?: 'file' | 'machine';
  /** Of the interface: whose frames; `main` unless given, everybody's with `scope: machine`. */
  session?: string;
  device?: number;
  command?: string;
  dialect?: string;
  /** Name of a mapping, with `pages` the part of it: only while one of its pages is worked on. */
  on?: string;
  pages?: number | string;
  /** As `on`, by address: `0x1000-0x3000`, the end not among them. */
  addresses?: string;
  /** The page of the call, from 0. */
  page?: number;
  /** The nth matching hit, from 1. */
  nth?: number;
  probability?: number;
  interval?: number;
  times?: number;
  space?: number;
  /** Only once the rule of this name has struck. */
  after?: string;
  /** Of several, each point returns the first that it can. */
  return?: FaultReturn | FaultReturn[];
  /** Bytes that a short copy does first. */
  bytes?: number;
  /** Virtual microseconds, or with `ms`. */
  delay?: number | string;
  /** A step of somebody else's, there and then. */
  run?: Step;
  /** Of `session_drop`: where the call is in the kernel when its session goes. */
  while?: { point: string; phase?: PhaseName; page?: number; nth?: number };
  /** Rules that wait until this one has struck. */
  then?: Rule[];
}

/** A plan, in YAML or as an object. */
export interface Plan {
  name: string;
  about?: string;
  machine?: PlanMachine;
  /** Instead of setup and steps: a case of the suite, run as it is. */
  selftest?: string;
  setup?: Step[];
  rules?: Rule[];
  steps?: Step[];
  expect?: Expect;
}

/** Whether a plan needs a served machine. */
export function isServed({ machine, setup = [], steps = [], rules = [] }: Plan): boolean {
  const aboutSessions = (step: Step): boolean =>
    step.do === 'session' || step.do === 'drop' || step.session !== undefined || (step.steps ?? []).some(aboutSessions);
  const ofWire = (rule: Rule): boolean =>
    asList(rule.point).some(isWirePoint) ||
    (rule.run !== undefined && aboutSessions(rule.run)) ||
    (rule.then ?? []).some(ofWire);
  return machine?.served ?? ([...setup, ...steps].some(aboutSessions) || rules.some(ofWire));
}

export function isWirePoint(name: string): boolean {
  return faultPoint(name)?.layer === 'wire';
}

/** Checks nothing by itself; gives an object literal its type. */
export function definePlan(plan: Plan): Plan {
  return plan;
}

/** One thing or several, as plans write them. */
export function asList<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value as T];
}

/** Which of a rule's words point `name` returns. */
export function returnAt(name: string, wanted: Rule['return']): FaultReturn | undefined {
  const returns = faultPoint(name)?.returns;
  return asList(wanted).find((word) => returns?.includes(word));
}

/** First and last page of `3` or `0-7`; null when they are in the wrong order. */
export function pagesOf(pages: number | string): [number, number] | null {
  if (typeof pages === 'number') return [pages, pages];
  const [first, last = first] = pages.split('-').map(Number);
  return last! < first! ? null : [first!, last!];
}
