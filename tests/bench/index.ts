import { exploring } from './explore.js';
import { faultPoints, finePoints } from './fault-points.js';
import { guest } from './guest.js';
import { invariants } from './invariants.js';
import type { Measurement } from './measurement.js';
import { migrateLarge, migrateSmall } from './migrate.js';
import { reset } from './reset.js';
import { seam } from './seam.js';
import { selftests } from './selftests.js';
import { socket } from './socket.js';
import { taskSwitch } from './task-switch.js';
import { travel } from './travel.js';
import { walks } from './walks.js';

/** Every measurement, in the order they run. */
export const MEASUREMENTS: readonly Measurement[] = [
  migrateSmall,
  migrateLarge,
  reset,
  taskSwitch,
  invariants,
  selftests,
  socket,
  guest,
  faultPoints,
  finePoints,
  exploring,
  seam,
  travel,
  walks,
];
