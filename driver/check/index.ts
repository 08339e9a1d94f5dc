// The public face of this room: what looks at whole machines, for sweeps, replays, the suite and whoever goes back to an earlier state.

export { Arena } from './arena.js';
export { emptyMachine } from './left-over.js';
export { Snapshot, type SnapshotOptions } from './machine-snapshot.js';
export { RaceShadow } from './race-shadow.js';
export type { Violation } from './violation.js';
export { Watch, type Watched } from './watch.js';
