// The public face of this room, and of the package as `dmirror/explore`.

export type { Verdict } from './director.js';
export {
  type Exploration,
  type ExploreOptions,
  explore,
  type RaceFinding,
  type RaceOutcome,
  type StrategyName,
} from './explore.js';
export type { Race } from './race.js';
