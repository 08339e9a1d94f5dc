// The public face of this room. What the package exports as `dmirror/explore` is tools/explore-api.ts.

export type { Verdict } from './director.js';
export { type ExploreOptions, explore } from './explore.js';
export type { Exploration, RaceOutcome } from './explorer.js';
export { PctPolicy } from './pct-policy.js';
export type { Race } from './race.js';
export { raceFaults, withFault } from './race-faults.js';
export type { FindingKind, RaceFinding } from './race-finding.js';
export { shrinkRace } from './shrink-race.js';
export { PartRunner, splitRounds, splitSearch } from './split-run.js';
export type { PartOfSearch, PartResult, SplitSearch } from './split-search.js';
export type { StrategyName } from './strategy-name.js';
