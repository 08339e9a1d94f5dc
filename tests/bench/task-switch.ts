import { type Coroutine, preemptPoint } from '../../driver/core/effect.js';
import { Kernel } from '../../driver/core/kernel.js';
import { SeededRandom } from '../../driver/core/policy.js';
import { leastMs, type Measurement } from './measurement.js';

const SWITCHES = 200_000;
const TASKS = 2;
const POINT = preemptPoint('bench');

function* worker(times: number): Coroutine<void> {
  for (let i = 0; i < times; i++) yield POINT;
}

/** What one scheduling point costs when another task is ready. */
export const taskSwitch: Measurement = {
  name: 'task-switch',
  about: 'one scheduling point with two tasks ready and a random choice between them',
  run: () => [{ name: 'task switch', value: switchNs(), unit: 'ns', goal: '< 1000' }],
};

export function switchNs(): number {
  const ms = leastMs(5, () => {
    const kernel = new Kernel(new SeededRandom(1), 1, 2 * SWITCHES);
    for (let i = 0; i < TASKS; i++) {
      kernel.scheduler.start(kernel.scheduler.newTask(`bench ${i}`), worker(SWITCHES / TASKS), () => {});
    }
    kernel.scheduler.run();
  });
  return (ms * 1e6) / SWITCHES;
}
