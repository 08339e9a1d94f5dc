import { UsageError } from '../exit-code.js';

/** Which of how many shards, from 1. */
export interface Shard {
  readonly index: number;
  readonly total: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const FORMS = '--shard takes I/N from 1/N on, auto, or auto/N';
const MOST = 10_000;

/** Reads `--shard`: `2/5`, or `auto` and `auto/5`, which look at the environment. Throws UsageError. */
export function shardOf(text: string, env: Environment): Shard {
  if (text === 'auto') return shardOfEnvironment(env);
  const [, index = '', total = ''] = /^(\d+|auto)\/(\d+)$/.exec(text) ?? [];
  if (index === 'auto') {
    if (env.JOB_COMPLETION_INDEX === undefined)
      throw new UsageError(`--shard ${text}: JOB_COMPLETION_INDEX is not set`, 'Kubernetes sets it in an Indexed Job');
    return checked(text, { index: numberIn(env, 'JOB_COMPLETION_INDEX') + 1, total: Number(total) });
  }
  if (index === '') throw new UsageError(`--shard ${text} is no shard`, FORMS);
  return checked(text, { index: Number(index), total: Number(total) });
}

function shardOfEnvironment(env: Environment): Shard {
  const sets = [
    ['CI_NODE_INDEX', 'CI_NODE_TOTAL'],
    ['SLURM_ARRAY_TASK_ID', 'SLURM_ARRAY_TASK_MIN', 'SLURM_ARRAY_TASK_COUNT'],
  ];
  const begun = sets.filter((names) => names.some((name) => env[name] !== undefined));
  const lacking = begun.flat().filter((name) => env[name] === undefined);
  const why = (): string => {
    if (lacking.length > 0)
      return `${lacking.join(' and ')} ${lacking.length > 1 ? 'are' : 'is'} not set, but others of the same scheduler are`;
    if (begun.length > 1) return 'the variables of two schedulers are set';
    if (env.JOB_COMPLETION_INDEX !== undefined)
      return 'JOB_COMPLETION_INDEX is set, which has no total: --shard auto/N';
    return `none of ${sets.map((names) => names.join(' and ')).join(', or ')} is set`;
  };
  if (begun.length !== 1 || lacking.length > 0) throw new UsageError(`--shard auto: ${why()}`, FORMS);
  if (begun[0] === sets[0])
    return checked('auto', { index: numberIn(env, 'CI_NODE_INDEX'), total: numberIn(env, 'CI_NODE_TOTAL') });
  const [id, min, total] = sets[1]!.map((name) => numberIn(env, name)) as [number, number, number];
  const step = env.SLURM_ARRAY_TASK_STEP === undefined ? 1 : numberIn(env, 'SLURM_ARRAY_TASK_STEP');
  return checked('auto', { index: (id - min) / step + 1, total });
}

function numberIn(env: Environment, name: string): number {
  const text = env[name]!;
  if (!/^\d+$/.test(text)) throw new UsageError(`${name}='${text}' is no whole number`, FORMS);
  return Number(text);
}

/** Can there be such a shard? */
export function isShard({ index, total }: Shard): boolean {
  return Number.isInteger(index) && Number.isInteger(total) && index >= 1 && index <= total && total <= MOST;
}

function checked(text: string, { index, total }: Shard): Shard {
  if (!isShard({ index, total }))
    throw new UsageError(`--shard ${text}: there is no shard ${index} of ${total}`, `${FORMS}, N at most ${MOST}`);
  return { index, total };
}

/**
 * Deals units to shards, the dearest first, each to the one that has least to do so far. The same costs give the same deal everywhere.
 * `loads` is what each shard has already, and is added to. Answers the index of the shard of each unit, from 0.
 */
export function deal(costs: readonly number[], loads: number[]): number[] {
  const shards = Array<number>(costs.length).fill(0);
  const order = costs.map((_, i) => i).sort((a, b) => costs[b]! - costs[a]! || a - b);
  for (const i of order) {
    const least = loads.indexOf(Math.min(...loads));
    shards[i] = least;
    loads[least]! += costs[i]!;
  }
  return shards;
}
