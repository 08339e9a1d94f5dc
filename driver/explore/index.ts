// The public face of this room, and of the package as `dmirror/explore`.

export {
  type Exploration,
  type ExploreOptions,
  explore,
  type RaceFinding,
  type RaceOutcome,
  type StrategyName,
  type Verdict,
} from './explore.js';
export type { Race } from './race.js';
