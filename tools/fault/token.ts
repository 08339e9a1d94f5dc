import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { DefectName } from '../../driver/inject/defects.js';
import {
  INJECT_POINTS,
  INJECT_RETURNS,
  type InjectReturn,
  PHASES,
  type PhaseName,
} from '../../driver/inject/inject-points.js';
import { DEFAULT_PROFILE, PROFILE_NAMES, type ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { UsageError } from '../exit-code.js';
import { pathNamed } from '../path-option.js';
import { defectNames } from './defect-option.js';
import { checkPlan } from './plans/plan-check.js';
import type { Plan } from './plans/plan-schema.js';

/** One injected failure: the nth hit (from 1) of a point in a phase returns this. */
export interface Injection {
  readonly point: string;
  readonly phase: PhaseName;
  readonly nth: number;
  readonly returns: InjectReturn;
}

/** All that one run of a sweep depends on. */
export interface RunId {
  readonly name: string;
  readonly path: PathName;
  readonly profile: ProfileName;
  readonly seed: number;
  /** Pages of a buffer and rounds of a loop, where a case leaves them open. */
  readonly pages: number;
  readonly rounds: number;
  readonly defects: readonly DefectName[];
  readonly injections: readonly Injection[];
}

const VERSION = 'dmf1';

/**
 * One word that repeats the run: `dmf1:CASE:PATH:SEED:PAGESxROUNDS:DEFECTS:point/phase/nth/RETURN+...`. The path of a machine with
 * another than the default profile is `PATH@PROFILE`.
 */
export function tokenOf({ name, path, profile, seed, pages, rounds, defects, injections }: RunId): string {
  const faults = injections.map(({ point, phase, nth, returns }) => `${point}/${phase}/${nth}/${returns}`).join('+');
  const where = profile === DEFAULT_PROFILE.name ? path : `${path}@${profile}`;
  return [VERSION, name, where, seed, `${pages}x${rounds}`, defects.join(','), faults].join(':');
}

/** The reverse. Throws UsageError. */
export function parseToken(token: string): RunId {
  const [version, name, where, seed, size, defects, faults, ...rest] = token.split(':');
  const scale = /^(\d+)x(\d+)$/.exec(size ?? '');
  if (version !== VERSION || rest.length > 0 || scale === null || faults === undefined)
    throw new UsageError(
      `'${token}' is no token of a fault sweep`,
      'a token is printed with each finding, and begins with dmf1:',
    );
  return {
    name: name!,
    ...machineOf(where!),
    seed: Number(seed),
    pages: Number(scale[1]),
    rounds: Number(scale[2]),
    defects: defectNames(listOf(defects!)),
    injections: faults === '' ? [] : faults.split('+').map(parseInjection),
  };
}

function listOf(text: string): string[] {
  return text === '' ? [] : text.split(',');
}

function machineOf(where: string): Pick<RunId, 'path' | 'profile'> {
  const [path, profile = DEFAULT_PROFILE.name] = where.split('@');
  const name = PROFILE_NAMES.find((known) => known === profile);
  if (name === undefined) throw new UsageError(`no profile ${profile}`, `they are: ${PROFILE_NAMES.join(', ')}`);
  return { path: pathNamed(path), profile: name };
}

function parseInjection(text: string): Injection {
  const [point, phase, nth, returns] = text.split('/');
  const info = INJECT_POINTS.find(({ name }) => name === point);
  if (info === undefined) throw new UsageError(`no fault point '${point}'`, 'see `dmirror fault list`');
  if (!PHASES.includes(phase as PhaseName))
    throw new UsageError(`no phase '${phase}'`, `they are: ${PHASES.join(', ')}`);
  if (!(returns! in INJECT_RETURNS) || !info.returns.includes(returns as InjectReturn))
    throw new UsageError(`${point} cannot return ${returns}`, `it can return: ${info.returns.join(', ')}`);
  return { point: point!, phase: phase as PhaseName, nth: Number(nth), returns: returns as InjectReturn };
}

/** All that one run of a plan depends on. */
export interface PlanRunId {
  readonly plan: Plan;
  readonly path: PathName;
  readonly seed: number;
  readonly defects: readonly DefectName[];
}

const PLAN_VERSION = 'dmp1';

export function isPlanToken(token: string): boolean {
  return token.startsWith(`${PLAN_VERSION}:`);
}

/** One word that repeats the run, and needs no file: `dmp1:PATH:SEED:DEFECTS:the plan, packed`. */
export function planToken({ plan, path, seed, defects }: PlanRunId): string {
  const packed = deflateRawSync(JSON.stringify(plan), { level: 9 }).toString('base64url');
  return [PLAN_VERSION, path, seed, defects.join(','), packed].join(':');
}

/** The reverse. Throws UsageError. */
export function parsePlanToken(token: string): PlanRunId {
  const [version, path, seed, defects, packed, ...rest] = token.split(':');
  const wrong = new UsageError(
    `'${token}' is no token of a plan`,
    '`dmirror fault run` prints one a result, beginning with dmp1:',
  );
  if (version !== PLAN_VERSION || packed === undefined || rest.length > 0) throw wrong;
  const known = pathNamed(path);
  if (!/^\d+$/.test(seed!)) throw wrong;
  let plan: unknown;
  try {
    plan = JSON.parse(inflateRawSync(Buffer.from(packed, 'base64url')).toString());
  } catch {
    throw wrong;
  }
  const [error] = checkPlan(plan);
  if (error !== undefined)
    throw new UsageError(`the plan of the token: ${error.path.join('.')}: ${error.message}`, 'print it anew');
  return { plan: plan as Plan, path: known, seed: Number(seed), defects: defectNames(listOf(defects!)) };
}
