import type { PartResult } from '../../driver/explore/index.js';
import { type LitmusPart, LitmusPartRunner } from './explore-work.js';
import { isStopped } from './explore-worker.js';

const runner = new LitmusPartRunner();

/** Called in the workers of one test. */
export function work(part: LitmusPart): PartResult {
  return runner.run(part, isStopped);
}
