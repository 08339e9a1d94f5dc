import { assert } from '../../../driver/core/assert.js';
import { Prng } from '../../../driver/core/prng.js';
import { type FaultAttr, shouldFail } from '../../../driver/inject/fault-attr.js';
import type { Fired, InjectEngine } from '../../../driver/inject/inject-engine.js';
import type { WirePoint } from './wire-points.js';

/** One frame of a client, as far as rules ask for it. */
export interface FrameInfo {
  readonly session: string;
  /** Of the session's frames since the plan was armed, from 1. */
  readonly number: number;
  /** The ioctl's command, else the system call's name, else `hello` or `process`. */
  readonly command: string;
  /** Of the call; -1 where there is none, as of what follows. */
  readonly pid: number;
  readonly tid: number;
  readonly file: number;
  readonly device: number;
  readonly dialect: string;
  readonly addr: number;
  readonly end: number;
}

/** A rule about frames; what is left out matches all. */
export interface WireRule {
  readonly name: string;
  readonly points: readonly WirePoint[];
  readonly session: string | null;
  readonly pid?: number;
  readonly file?: number;
  readonly device?: number;
  readonly command?: string;
  readonly dialect?: string;
  readonly range?: { readonly start: number; readonly end: number };
  readonly attr: FaultAttr;
  readonly nth: number;
  readonly after: string | null;
  /** Of a cut frame, how much arrives; half unless given. */
  readonly bytes: number | null;
  readonly delayTicks: number;
}

/** Decides which frames are mistreated, with the knobs and the order of checks of the kernel's faults. */
export class WireRules {
  private readonly states: { rule: WireRule; attr: FaultAttr; matches: number }[];
  private readonly prng: Prng;

  constructor(
    rules: readonly WireRule[],
    private readonly inject: InjectEngine,
    seed: number,
  ) {
    this.states = rules.map((rule) => ({ rule, attr: { ...rule.attr }, matches: 0 }));
    this.prng = new Prng(seed);
  }

  /** The rule that strikes `frame` at `point`, or null. */
  strike(point: WirePoint, frame: FrameInfo): WireRule | null {
    if (!this.inject.armed) return null;
    for (const state of this.states) {
      const { rule } = state;
      if (!rule.points.includes(point) || !matches(rule, frame) || !this.inject.hasStruck(rule.after)) continue;
      state.matches++;
      if (rule.nth !== 0 && state.matches !== rule.nth) continue;
      if (shouldFail(state.attr, 1, this.prng)) return rule;
    }
    return null;
  }

  /** Writes down that a rule has struck. */
  note(rule: WireRule, point: WirePoint, { frame, tick }: { frame: FrameInfo; tick: number }): void {
    assert(rule.points.includes(point), `rule ${rule.name} is not about ${point}`);
    const { session, number, command, pid, addr } = frame;
    const path = [`frame ${number} of session ${session}`];
    const fired: Fired = { rule: rule.name, point, phase: 'wire', command, pid, page: -1, addr, tick, path };
    this.inject.note(fired);
  }
}

function matches(rule: WireRule, frame: FrameInfo): boolean {
  if (rule.session !== null && rule.session !== frame.session) return false;
  for (const key of ['pid', 'file', 'device', 'command', 'dialect'] as const)
    if (rule[key] !== undefined && rule[key] !== frame[key]) return false;
  return rule.range === undefined || (frame.addr < rule.range.end && frame.end > rule.range.start);
}
