import { expect, it } from 'vitest';
import { faultAttr } from '../../../../driver/inject/fault-attr.js';
import { pointByName } from '../../../../driver/inject/inject-points.js';
import { EBUSY, EFAULT, EINVAL, ESRCH } from '../../../../uapi/errno.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../helpers.js';

it('shows page tables, pages and counters as text, and nothing under another name', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const addr = anon(main, 2);
  ret(main, 'store', addr, Uint8Array.of(1));
  const show = (what: string) =>
    Buffer.from(machine.call(main, 'inspect', what, addr, 2 * PAGE_SIZE).bytes!).toString();
  expect(show('page_table')).toBe('PTE 0 PRESENT W\nPTE 1 NONE');
  expect(show('pages')).toMatch(/^0 PTE PRESENT W dirty young system exclusive refs 1 maps 1 pfn \d+\n1 PTE NONE$/);
  expect([show('locks'), show('invariants'), show('touched')]).toEqual(['', '', '']);
  expect(ret(main, 'inspect', 'constructor')).toBe(-EINVAL);
  expect(ret(main, 'inspect', 'pages', addr, 2 ** 30)).toBe(-EINVAL);
});

it.each(['lock', 'reference', 'migration'])('holds pages by a %s until they are let go', (what) => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const addr = anon(main, 2);
  ret(main, 'store', addr, new Uint8Array(2 * PAGE_SIZE));
  const holder = machine.threadByTid(ret(main, 'thread'))!;
  const text = () => machine.call(main, 'inspect', 'pages', addr, PAGE_SIZE).bytes!.toString();
  const before = text();
  const hold = machine.start(holder, 'hold', [what, addr, PAGE_SIZE]);
  machine.run();
  expect(hold.done).toBe(false);
  expect(text()).not.toBe(before);
  expect(ret(main, 'inspect', 'invariants')).toBe(-EBUSY);
  expect(ret(main, 'letGo', holder.tid)).toBe(0);
  machine.run();
  expect(hold.result?.ret).toBe(0);
  expect(ret(main, 'letGo', holder.tid)).toBe(-ESRCH);
  expect(ret(main, 'hold', what, addr + 1, PAGE_SIZE)).toBe(-EINVAL);
  expect(ret(main, 'hold', 'grip', addr, PAGE_SIZE)).toBe(-EINVAL);
  machine.checkInvariants();
});

it.each([
  ['lru_isolate', 'FAIL'],
  ['extra_reference', 'FAIL'],
])('migrates nothing if a page can not be migrated, because of %s', (point) => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const addr = anon(main, 2);
  ret(main, 'store', addr, new Uint8Array(2 * PAGE_SIZE));
  const before = machine.call(main, 'inspect', 'pages', addr, 2 * PAGE_SIZE).bytes!.toString();
  const { inject } = machine.kernel;
  const id = pointByName(point);
  const rule = { name: 'r', where: { points: [id] }, nth: 2, after: null, bytes: 0, delayTicks: 0, run: null };
  inject.arm([{ ...rule, returns: { [id]: -1 }, attr: faultAttr() }], { seed: 1 });
  expect(ret(main, 'hold', 'migration', addr, 2 * PAGE_SIZE)).toBe(-EFAULT);
  inject.disarm();
  expect(machine.call(main, 'inspect', 'pages', addr, 2 * PAGE_SIZE).bytes!.toString()).toBe(before);
  machine.checkInvariants();
});

it('has nothing to hold where no page is', () => {
  const { main } = smallMachine().createProcess();
  expect(ret(main, 'hold', 'lock', anon(main, 1), PAGE_SIZE)).toBe(-EFAULT);
});
