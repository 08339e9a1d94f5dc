import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../tools/exit-code.js';
import { MemoryWatch } from '../../../tools/memory-watch.js';
import { StopRequest } from '../../../tools/output.js';
import { untilStopped } from '../../../tools/worker-pool.js';

const MIB = 2 ** 20;

function watching(bytes: number[]) {
  const said: string[] = [];
  const watch = new MemoryWatch(
    (line) => said.push(line),
    () => bytes.shift()!,
  );
  return { watch, said };
}

describe('a bound of memory', () => {
  it('costs runners one by one, and then the rest of the work', () => {
    const { watch, said } = watching([90 * MIB, 110 * MIB, 120 * MIB, 130 * MIB]);
    watch.bound(100 * MIB);
    watch.spare = 1;
    expect([watch.lowers(), watch.lowers(), watch.lowers(), watch.isOver()]).toEqual([false, true, false, true]);
    expect(said).toEqual(['110 MiB are more than 100 MiB (--max-memory): goes on with 1 at a time']);
    expect(watch.text()).toBe('130 MiB of 100 MiB');
    watch.bound(1);
    expect(watch.text()).toBe('130 MiB of 1 KiB');
  });

  it('is told at the end where one was given, or came near', () => {
    const { watch } = watching([60 * MIB]);
    expect(watch.isWorthSaying).toBe(false);
    watch.limit = 200 * MIB;
    watch.used();
    expect(watch.isWorthSaying).toBe(false);
    watch.bound(200 * MIB);
    expect(watch.isWorthSaying).toBe(true);
    watch.limit = 100 * MIB;
    expect(watch.isWorthSaying).toBe(true);
  });
});

it('ends nothing that is done', async () => {
  const { watch } = watching([90 * MIB, 90 * MIB, 110 * MIB]);
  watch.bound(100 * MIB);
  const stop = new StopRequest(new EventEmitter() as never, watch);
  const next = untilStopped(['a', 'b'], stop);
  expect([await next(), await next(), await next(), stop.isRequested]).toEqual(['a', 'b', null, false]);
  expect([await stop.look(), stop.status(0)]).toEqual([true, EXIT.output]);
});
