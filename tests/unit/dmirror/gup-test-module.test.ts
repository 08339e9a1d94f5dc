import { describe, expect, it } from 'vitest';
import { GupTestModule } from '../../../driver/dmirror/index.js';
import { cpuLoad, cpuStore } from '../../../driver/mm/faults/access.js';
import { PAGE_SIZE } from '../../../driver/mm/frames/frames.js';
import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import { type GupCommand, gupAbiByDialectName } from '../../../uapi/gup-abi.js';
import {
  decodeGupTest,
  encodeGupTest,
  encodePinLongtermTest,
  FOLL_LONGTERM,
  FOLL_WRITE,
  GUP_BASIC_TEST,
  GUP_FAST_BENCHMARK,
  GUP_TEST_BYTES,
  PIN_BASIC_TEST,
  PIN_FAST_BENCHMARK,
  PIN_LONGTERM_BENCHMARK,
  PIN_LONGTERM_TEST_FLAG_USE_FAST,
  PIN_LONGTERM_TEST_FLAG_USE_WRITE,
  PIN_LONGTERM_TEST_READ,
  PIN_LONGTERM_TEST_START,
  PIN_LONGTERM_TEST_STOP,
} from '../../../uapi/gup-test.js';
import { PROT_READ } from '../../../uapi/mman.js';
import { BASE } from '../test-machine.js';
import { DeviceMachine } from './device-machine.js';

const RECORD = 0x20_0000_0000;
const BUFFER = 0x20_1000_0000;
const USE_WRITE = PIN_LONGTERM_TEST_FLAG_USE_WRITE;
const ALL = [GUP_FAST_BENCHMARK, PIN_FAST_BENCHMARK, PIN_LONGTERM_BENCHMARK, GUP_BASIC_TEST, PIN_BASIC_TEST];

class GupWorld extends DeviceMachine {
  readonly gup = new GupTestModule(this.memory);

  /** Bytes done, or a negative errno. */
  test(cmd: number, call: { at: number; npages: number; per: number; flags: number }): number {
    const { at, npages, per, flags } = call;
    const record = encodeGupTest({
      addr: BASE + at * PAGE_SIZE,
      size: npages * PAGE_SIZE,
      nr_pages_per_call: per,
      gup_flags: flags,
    });
    this.run(cpuStore(this.mm, RECORD, record));
    const ret = this.run(this.gup.gupTestIoctl(this.mm, cmd, RECORD));
    const after = new Uint8Array(GUP_TEST_BYTES);
    this.run(cpuLoad(this.mm, RECORD, after));
    return ret === 0 ? decodeGupTest(after).size : ret;
  }

  pin(at: number, npages: number, flags: number): number {
    const args = { addr: BASE + at * PAGE_SIZE, size: npages * PAGE_SIZE, flags };
    this.run(cpuStore(this.mm, RECORD, encodePinLongtermTest(args)));
    return this.run(this.gup.gupTestIoctl(this.mm, PIN_LONGTERM_TEST_START, RECORD));
  }

  unpin(): number {
    return this.run(this.gup.gupTestIoctl(this.mm, PIN_LONGTERM_TEST_STOP, 0));
  }
}

describe('gup_test', () => {
  it.each(ALL)('gets all pages of a range with 0x%x and puts them again', (cmd) => {
    const w = new GupWorld();
    w.anon(0, 5);
    w.fill(0, 3, 1);
    expect(w.test(cmd, { at: 0, npages: 5, per: 2, flags: FOLL_WRITE })).toBe(5 * PAGE_SIZE);
    w.check();
  });

  it.each(ALL)('tells with 0x%x only how far it came, with the whole of a call that got some', (cmd) => {
    const w = new GupWorld();
    w.anon(0, 3);
    expect(w.test(cmd, { at: 0, npages: 6, per: 2, flags: 0 })).toBe(4 * PAGE_SIZE);
    expect(w.test(cmd, { at: 3, npages: 2, per: 1, flags: 0 })).toBe(0);
    w.check();
  });

  it('brings pages of a private device back and leaves coherent ones, but for a long-term pin', () => {
    const w = new GupWorld();
    w.anon(0, 2);
    w.fill(0, 2, 1);
    const [zero, two] = [w.open(0), w.open(2)];
    w.command(zero, 'MIGRATE_TO_DEV', 0, 1);
    w.command(two, 'MIGRATE_TO_DEV', 1, 1);
    w.test(GUP_BASIC_TEST, { at: 0, npages: 2, per: 2, flags: FOLL_WRITE });
    expect(w.command(two, 'SNAPSHOT', 0, 2).bytes).toEqual([0x02, 0x42]);
    w.test(PIN_LONGTERM_BENCHMARK, { at: 0, npages: 2, per: 2, flags: FOLL_WRITE });
    expect(w.command(two, 'SNAPSHOT', 0, 2).bytes).toEqual([0x02, 0x02]);
    w.check();
  });

  it('answers -EFAULT for a record that can not be read and -EINVAL for unknown numbers, the number first', () => {
    const w = new GupWorld();
    expect(w.run(w.gup.gupTestIoctl(w.mm, GUP_BASIC_TEST, 0))).toBe(-EFAULT);
    expect(w.run(w.gup.gupTestIoctl(w.mm, 0x1234, 0))).toBe(-EINVAL);
  });
});

describe('the long-term pin', () => {
  it('stays until it is stopped, and keeps its pages from migrating', () => {
    const w = new GupWorld();
    w.anon(0, 2);
    w.fill(0, 2, 7);
    const file = w.open(0);
    expect(w.pin(0, 1, USE_WRITE)).toBe(0);
    expect(w.pin(1, 1, 0)).toBe(-EINVAL);
    w.command(file, 'MIGRATE_TO_DEV', 0, 2);
    expect(w.command(file, 'SNAPSHOT', 0, 2).bytes).toEqual([0x02, 0x22]);
    w.check();
    expect(w.unpin()).toBe(0);
    expect(w.unpin()).toBe(0);
    w.command(file, 'MIGRATE_TO_DEV', 0, 1);
    expect(w.command(file, 'SNAPSHOT', 0, 2).bytes).toEqual([0x22, 0x22]);
    w.check();
  });

  it('ends with the close of any file', () => {
    const w = new GupWorld();
    w.anon(0, 1);
    const other = w.gup.open();
    expect(w.pin(0, 1, PIN_LONGTERM_TEST_FLAG_USE_FAST)).toBe(0);
    w.gup.gupTestRelease(other);
    expect(w.pin(0, 1, 0)).toBe(0);
    w.unpin();
    w.check();
  });

  it('pins all or nothing, after its arguments are checked', () => {
    const w = new GupWorld();
    w.anon(0, 2);
    w.anon(2, 1, { prot: PROT_READ });
    expect(w.pin(0, 3, USE_WRITE)).toBe(-EFAULT);
    expect(w.pin(0, 1, 4)).toBe(-EINVAL);
    expect(w.pin(0, 0, 0)).toBe(-EINVAL);
    expect(w.pin(0, 0.5, 0)).toBe(-EINVAL);
    expect(w.run(w.gup.gupTestIoctl(w.mm, PIN_LONGTERM_TEST_START, 8))).toBe(-EFAULT);
    w.check();
  });

  it('shows its pages', () => {
    const w = new GupWorld();
    w.anon(0, 2);
    w.fill(0, 2, 77);
    expect(w.run(w.gup.gupTestIoctl(w.mm, PIN_LONGTERM_TEST_READ, RECORD))).toBe(-EINVAL);
    w.pin(0, 2, 0);
    const pointer = new Uint8Array(new Float64Array(1).buffer);
    new DataView(pointer.buffer).setBigUint64(0, BigInt(BUFFER), true);
    w.run(cpuStore(w.mm, RECORD, pointer));
    expect(w.run(w.gup.gupTestIoctl(w.mm, PIN_LONGTERM_TEST_READ, RECORD))).toBe(0);
    const out = new Uint8Array(4);
    w.run(cpuLoad(w.mm, BUFFER + PAGE_SIZE, out));
    expect(new Uint32Array(out.buffer)[0]).toBe(78);
    w.unpin();
    w.check();
  });
});

describe('gup_test of other kernels', () => {
  const OLD_LONGTERM = 0x10000;
  const run = (w: GupWorld, name: string, { cmd, flags }: { cmd: number; flags: number }): number => {
    const abi = gupAbiByDialectName(name);
    const gup = { addr: BASE, size: 2 * PAGE_SIZE, nr_pages_per_call: 2, gup_flags: flags };
    w.run(cpuStore(w.mm, RECORD, encodeGupTest(gup, abi.layout)));
    const ret = w.run(w.gup.gupTestIoctl(w.mm, cmd, RECORD, abi));
    const after = new Uint8Array(abi.layout.bytes);
    w.run(cpuLoad(w.mm, RECORD, after));
    return ret === 0 ? decodeGupTest(after, abi.layout).size : ret;
  };
  const number = (name: string, command: GupCommand): number =>
    [...gupAbiByDialectName(name).commands].find(([, other]) => other === command)![0];

  it('has FOLL_LONGTERM of 6.1 where 6.1 has it, and refuses it where it is FOLL_TOUCH', () => {
    const w = new GupWorld();
    w.anon(0, 2);
    w.fill(0, 2, 1);
    const cmd = number('6.1', 'PIN_BASIC_TEST');
    expect(run(w, '6.1', { cmd, flags: OLD_LONGTERM | FOLL_WRITE })).toBe(2 * PAGE_SIZE);
    expect(run(w, '6.2', { cmd, flags: OLD_LONGTERM | FOLL_WRITE })).toBe(2 * PAGE_SIZE);
    // The error of GUP is not told: nothing was done.
    expect(run(w, '6.3', { cmd, flags: OLD_LONGTERM | FOLL_WRITE })).toBe(0);
    expect(run(w, '6.12', { cmd, flags: FOLL_LONGTERM | FOLL_WRITE })).toBe(2 * PAGE_SIZE);
    expect(run(w, 'M5', { cmd, flags: FOLL_LONGTERM | FOLL_WRITE })).toBe(2 * PAGE_SIZE);
    w.check();
  });

  it('takes the records and numbers of gup_benchmark, and its flags but FOLL_WRITE for nothing', () => {
    const w = new GupWorld();
    w.anon(0, 2);
    w.fill(0, 2, 1);
    expect(number('5.10', 'PIN_BASIC_TEST')).toBe(0xc0786704);
    for (const command of ['GUP_FAST_BENCHMARK', 'GUP_BASIC_TEST', 'PIN_LONGTERM_BENCHMARK'] as const) {
      expect(run(w, '5.10', { cmd: number('5.10', command), flags: 0xfffffffe })).toBe(2 * PAGE_SIZE);
      expect(run(w, '5.12', { cmd: number('5.12', command), flags: 0xfffffffe })).toBe(2 * PAGE_SIZE);
    }
    expect(run(w, '5.10', { cmd: PIN_BASIC_TEST, flags: 0 })).toBe(-EINVAL);
    expect(run(w, '6.12', { cmd: number('5.10', 'PIN_BASIC_TEST'), flags: 0 })).toBe(-EINVAL);
    expect(run(w, '6.1', { cmd: PIN_LONGTERM_TEST_STOP, flags: 0 })).toBe(-EINVAL);
    w.check();
  });
});
