import { parentPort, workerData } from 'node:worker_threads';
import { casesByName } from './cases.js';
import { Sweeper, type SweepOptions } from './sweep-job.js';
import { doTask, type SweepTask } from './sweep-pool.js';

// A worker of `dmirror fault sweep`: gets one task at a time and answers its result.

const options = workerData as SweepOptions;
const sweeper = new Sweeper(casesByName(options.profile), options);

// A case that fails half way leaves calls behind whose errors nobody waits for, some until after its run.
process.on('unhandledRejection', () => {});

parentPort?.on('message', (task: SweepTask) => {
  doTask(sweeper, task).then(
    (result) => parentPort!.postMessage({ result }),
    (error: unknown) => parentPort!.postMessage({ error: error instanceof Error ? error.stack : String(error) }),
  );
});
