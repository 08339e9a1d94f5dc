import { expect, it } from 'vitest';
import { FUTEX_BITSET_MATCH_ANY } from '../../../../driver/sys/processes/futex.js';
import type { Thread } from '../../../../driver/sys/processes/thread.js';
import { EAGAIN, EFAULT, EINTR, ETIMEDOUT } from '../../../../uapi/errno.js';
import { MAP_ANONYMOUS, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../../uapi/mman.js';
import { SIGKILL } from '../../../../uapi/signal.js';
import { anon, inKernel, ret, smallMachine } from '../helpers.js';

const ANY = FUTEX_BITSET_MATCH_ANY;

function wait(thread: Thread, addr: number, { value = 0, bitset = ANY, deadline = null as number | null } = {}) {
  return inKernel(thread, () => thread.process.machine.futexes.futexWait(thread, { addr, value, bitset, deadline }));
}

it('sleeps only while the word holds what was expected', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const addr = anon(main, 1);
  expect(wait(main, addr, { value: 1 }).result).toBe(-EAGAIN);
  expect(wait(main, 0).result).toBe(-EFAULT);
  const { clock } = machine.kernel.scheduler;
  expect(wait(main, addr, { deadline: clock.nowTicks + 10 }).result).toBe(-ETIMEDOUT);
  expect(machine.futexes.futexWake(main.process.mm, addr, { count: 1, bitset: ANY })).toBe(0);
});

it('wakes as many as asked in their order, those whose bits match, and moves others', () => {
  const machine = smallMachine();
  const { main, mm } = machine.createProcess();
  const addr = anon(main, 1);
  const threads = [1, 2, 3, 4].map(() => machine.threadByTid(ret(main, 'thread'))!);
  const waits = threads.map((thread, i) => wait(thread, addr, { bitset: i === 1 ? 2 : 1 }));
  const wake = (at: number, count: number, bitset = ANY) => {
    const woken = machine.futexes.futexWake(mm, at, { count, bitset });
    machine.run();
    return [woken, ...waits.map(({ result }) => result)];
  };
  expect(wake(addr, 1, 2)).toEqual([1, undefined, 0, undefined, undefined]);
  expect(wake(addr, 1)).toEqual([1, 0, 0, undefined, undefined]);
  expect(machine.futexes.futexRequeue(mm, { from: addr, to: addr + 4, wake: 0, move: 9 })).toEqual({
    woken: 0,
    moved: 2,
  });
  expect(wake(addr, 9)).toEqual([0, 0, 0, undefined, undefined]);
  expect(wake(addr + 4, 9)).toEqual([2, 0, 0, 0, 0]);
});

it('knows shared memory by its place in the file, and lets a killed thread go', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const rw = PROT_READ | PROT_WRITE;
  const addr = ret(main, 'mmap', 0, PAGE_SIZE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const child = machine.threadByTid(ret(main, 'fork'))!;
  const waiting = wait(child, addr);
  expect(machine.futexes.futexWake(main.process.mm, addr, { count: 1, bitset: ANY })).toBe(1);
  machine.run();
  expect(waiting.result).toBe(0);
  const again = wait(child, addr);
  ret(main, 'kill', child.tid, SIGKILL);
  machine.run();
  expect(again.result).toBe(-EINTR);
  expect(machine.call(main, 'wait', child.tid).ret).toBe(child.tid);
});
