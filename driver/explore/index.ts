// The public face of this room, and of the package as `dmirror/explore`.

export type { Verdict } from './director.js';
export { type ExploreOptions, explore, type StrategyName } from './explore.js';
export type { Exploration, RaceOutcome } from './explorer.js';
export type { FindingKind, RaceFinding } from './finding.js';
export { PctPolicy } from './pct-policy.js';
export type { Race } from './race.js';
