import { dataOfWorker } from '../worker-pool.js';
import type { HowToExplore } from './explore-work.js';
import { conformLitmus, type LitmusResult } from './litmus-conform.js';
import type { Litmus } from './litmus-file.js';

/** Called in the workers of `dmirror conform` on litmus files. */
export function work(test: Litmus): LitmusResult {
  return conformLitmus(test, dataOfWorker<HowToExplore>(), () => performance.now());
}
