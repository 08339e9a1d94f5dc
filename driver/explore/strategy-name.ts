export const STRATEGIES = ['dpor', 'all', 'bounded', 'pct', 'random', 'replay'] as const;

/**
 * `dpor`: one schedule of each kind that can differ. `all`: every schedule. `bounded`: every schedule with so many preemptions.
 * `pct`, `random`: so many drawn ones. `replay`: the one that `choices` say.
 */
export type StrategyName = (typeof STRATEGIES)[number];
