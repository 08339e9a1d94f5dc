import { expect, it } from 'vitest';
import { EventFd } from '../../../../driver/sys/files/event-fd.js';
import { POLL } from '../../../../driver/sys/files/open-file.js';
import { PidFile } from '../../../../driver/sys/files/pid-file.js';
import { doPoll } from '../../../../driver/sys/files/poll.js';
import { words64 } from '../../../../driver/sys/processes/user-memory.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

const entry = (fd: number, events: number = POLL.in) => ({ fd, events, revents: -1 });

it('counts what is ready, names what is no descriptor, and passes over negative ones', () => {
  const machine = smallMachine();
  const { main, files } = machine.createProcess();
  files.install(new EventFd(machine, 1, 0));
  const entries = [entry(0), entry(0, POLL.out), entry(9), entry(-1)];
  expect(inKernel(main, () => doPoll(main, entries, 0)).result).toBe(3);
  expect(entries.map(({ revents }) => revents)).toEqual([POLL.in, POLL.out, POLL.nval, 0]);
});

it('sleeps until a file changes or the time is over', () => {
  const machine = smallMachine();
  const { main, files } = machine.createProcess();
  const other = machine.createProcess().main;
  const file = new EventFd(machine, 0, 0);
  files.install(file);
  const waiting = inKernel(main, () => doPoll(main, [entry(0)], null));
  expect(waiting.result).toBeUndefined();
  inKernel(other, () => file.write(other, words64(1)));
  expect(waiting.result).toBe(1);
  inKernel(main, () => file.read(main, 8));
  const { clock } = machine.kernel.scheduler;
  expect(inKernel(main, () => doPoll(main, [entry(0)], clock.nowTicks + 50)).result).toBe(0);
});

it('of a process reports its death and that nothing of it is left', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const child = machine.threadByTid(ret(main, 'fork'))!;
  const file = new PidFile(child.process, null, 0);
  expect(file.poll()).toBe(0);
  ret(child, 'exit', 0);
  expect(file.poll()).toBe(POLL.in);
  ret(main, 'wait', child.tid);
  expect(file.poll()).toBe(POLL.in | POLL.hup);
});
