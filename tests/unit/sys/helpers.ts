import type { Coroutine } from '../../../driver/core/effect.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../../driver/sys/machine/machine-options.js';
import { Call, type Thread } from '../../../driver/sys/processes/thread.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { CallArg } from '../../../uapi/system-call.js';

/** A small machine. */
export function smallMachine(options: Partial<MachineOptions> = {}): Machine {
  return new Machine({ ramBytes: 64 * 2 ** 20, ...options });
}

/** The `ret` of one call. */
export function ret(thread: Thread, name: string, ...args: CallArg[]): number {
  return thread.process.machine.call(thread, name, ...args).ret;
}

/** Private anonymous read-write memory. */
export function anon(thread: Thread, npages: number): number {
  return ret(thread, 'mmap', 0, npages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/** A file's text from the start. */
export function readText(thread: Thread, path: string): string {
  const fd = ret(thread, 'open', path, 0);
  const { bytes } = thread.process.machine.call(thread, 'pread', fd, 4096, 0);
  ret(thread, 'close', fd);
  return String.fromCharCode(...(bytes ?? []));
}

/** Runs `body` as a call of `thread` as far as it goes; `result` is undefined while it waits. */
export function inKernel<T>(thread: Thread, body: () => Coroutine<T>): { result: T | undefined } {
  const ended: { result: T | undefined } = { result: undefined };
  thread.enqueue(
    new Call('test', [], function* () {
      ended.result = yield* body();
      return { ret: 0 };
    }),
  );
  thread.process.machine.run();
  return ended;
}
