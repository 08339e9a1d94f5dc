import type { Coroutine } from '../../driver/core/effect.js';
import type { Kernel } from '../../driver/core/kernel.js';
import { RoundRobin } from '../../driver/core/policy.js';
import { MachineKernel } from '../../driver/inject/machine-kernel.js';

/** A kernel with one deterministic schedule, for tests below the system-call layer. */
export function testKernel(): MachineKernel {
  return new MachineKernel(new RoundRobin(), 1, 10_000_000);
}

/** Runs `coroutine` as a task of its own until it returns; throws when it can't. */
export function runTask<T>(kernel: MachineKernel, coroutine: Coroutine<T>): T {
  const results: T[] = [];
  kernel.scheduler.start(kernel.scheduler.newTask('test'), coroutine, (value) => results.push(value));
  const run = kernel.scheduler.run();
  if (results.length !== 1) throw new Error(`the task did not return: ${JSON.stringify(run)}`);
  return results[0] as T;
}

/** Starts `coroutines` as tasks t1, t2, ... and returns the kernel's verdict. */
export function runAll(kernel: Kernel, coroutines: readonly Coroutine<void>[]) {
  coroutines.forEach((coroutine, i) => {
    kernel.scheduler.start(kernel.scheduler.newTask(`t${i + 1}`), coroutine, () => {});
  });
  return kernel.scheduler.run();
}
