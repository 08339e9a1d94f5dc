import type { DefectName } from '../../driver/inject/defects.js';
import type { Injection } from '../../driver/inject/injection.js';
import type { ProfileName } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { UsageError } from '../exit-code.js';
import { pathNamed } from '../path-option.js';
import { packed, unpacked } from '../token/packed.js';
import { CASE, DEFECTS, FAULTS, MACHINE, SEED } from '../token/parts.js';
import { type Part, TokenKind } from '../token/token.js';
import { checkPlan } from './plans/plan-check.js';
import type { Plan } from './plans/plan-schema.js';

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

const SIZE: Part<RunId> = {
  name: 'size',
  text: ({ pages, rounds }) => `${pages}x${rounds}`,
  read: (text) => {
    const [, pages, rounds] = /^(\d+)x(\d+)$/.exec(text) ?? [];
    if (rounds === undefined) throw new UsageError(`'${text}' is not PAGESxROUNDS`, 'as 66x2');
    return { pages: Number(pages), rounds: Number(rounds) };
  },
};

/** `dm2:run:CASE:MACHINE:SEED:SIZE:DEFECTS:FAULTS:CHECK` */
export const RUN_TOKEN = new TokenKind<RunId>('run', [CASE, MACHINE, SEED, SIZE, DEFECTS, FAULTS]);

/** All that one run of a plan depends on. */
export interface PlanRunId {
  readonly plan: Plan;
  readonly path: PathName;
  readonly seed: number;
  readonly defects: readonly DefectName[];
}

/** The plan says what else its machine has. */
const PATH: Part<PlanRunId> = { name: 'path', text: ({ path }) => path, read: (text) => ({ path: pathNamed(text) }) };

const PLAN: Part<PlanRunId> = {
  name: 'plan',
  text: ({ plan }) => packed(JSON.stringify(plan)),
  read: (text) => {
    let plan: unknown;
    try {
      plan = JSON.parse(unpacked(text));
    } catch {
      throw new UsageError('it is damaged', '`dmirror fault run` prints a token with each result');
    }
    const [error] = checkPlan(plan);
    if (error !== undefined) throw new UsageError(`${error.path.join('.')}: ${error.message}`, 'print it anew');
    return { plan: plan as Plan };
  },
};

/** `dm2:plan:PATH:SEED:DEFECTS:PLAN:CHECK`: needs no file. */
export const PLAN_TOKEN = new TokenKind<PlanRunId>('plan', [PATH, SEED, DEFECTS, PLAN]);
