import { describe, expect, it } from 'vitest';
import type { Thread } from '../../../../../driver/sys/processes/thread.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PAGE_SIZE, PROT_READ } from '../../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../../helpers.js';

function read(thread: Thread, fd: number, lenBytes: number, offset: number): string {
  const { bytes } = thread.process.machine.call(thread, 'pread', fd, lenBytes, offset);
  return String.fromCharCode(...(bytes ?? []));
}

const WHOLE = 65536;

describe.each(['/proc/self/maps', '/proc/self/smaps', '/proc/meminfo', '/proc/self/status'])('%s', (path) => {
  function opened() {
    const { main } = smallMachine().createProcess();
    anon(main, 1);
    const fd = ret(main, 'open', path, 0);
    const change = () => {
      const at = anon(main, 3);
      for (let page = 0; page < 3; page++) ret(main, 'store', at + page * 4096, Uint8Array.of(1));
    };
    return { main, fd, change };
  }

  it('is made anew when it is read from its begin', () => {
    const { main, fd, change } = opened();
    const before = read(main, fd, WHOLE, 0);
    change();
    expect(read(main, fd, WHOLE, 0)).not.toBe(before);
  });

  it('is one text for reads that follow each other', () => {
    const { main, fd, change } = opened();
    const whole = read(main, fd, WHOLE, 0);
    const half = read(main, fd, 20, 0);
    change();
    expect(half + read(main, fd, WHOLE, 20)).toBe(whole);
  });

  it('is made anew for a read from elsewhere', () => {
    const { main, fd, change } = opened();
    const whole = read(main, fd, WHOLE, 0);
    change();
    expect(read(main, fd, WHOLE, 1)).not.toBe(whole.slice(1));
  });
});

describe('/proc/self/maps', () => {
  const page = (addr: number): string => addr.toString(16).padStart(8, '0');
  const FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  const mapAt = (thread: Thread, addr: number): number => ret(thread, 'mmap', addr, PAGE_SIZE, PROT_READ, FIXED, -1, 0);

  it('is made while it is read: goes on at the address that was next', () => {
    const { main } = smallMachine().createProcess();
    for (const addr of [0x1000000, 0x3000000]) mapAt(main, addr);
    const fd = ret(main, 'open', '/proc/self/maps', 0);
    const first = read(main, fd, 10, 0);
    for (const addr of [0x2000000, 0x4000000]) mapAt(main, addr);
    ret(main, 'munmap', 0x1000000, PAGE_SIZE);
    const lines = (first + read(main, fd, WHOLE, 10)).split('\n');
    const begins = lines.map((line) => line.slice(0, 8));
    expect(begins).toEqual([page(0x1000000), page(0x3000000), page(0x4000000), '']);
  });

  it('comes in whole lines, as many as fit a page, or as were asked for and the rest of one', () => {
    const { main } = smallMachine().createProcess();
    for (let i = 1; i <= 200; i++) mapAt(main, i * 0x1000000);
    const fd = ret(main, 'open', '/proc/self/maps', 0);
    const first = read(main, fd, WHOLE, 0);
    const lineBytes = first.indexOf('\n') + 1;
    expect([first.length, first.endsWith('\n')]).toEqual([Math.floor(4095 / lineBytes) * lineBytes, true]);
    expect(read(main, fd, lineBytes + 1, 0)).toHaveLength(lineBytes + 1);
    expect(read(main, fd, WHOLE, lineBytes + 1).length).toBeLessThanOrEqual(lineBytes - 1 + 4095);
    expect(read(main, fd, 5, 3)).toBe(first.slice(3, 8));
  });

  it('ends where it ended, whatever is mapped behind that', () => {
    const { main } = smallMachine().createProcess();
    mapAt(main, 0x1000000);
    const fd = ret(main, 'open', '/proc/self/maps', 0);
    const { length } = read(main, fd, WHOLE, 0);
    mapAt(main, 0x2000000);
    expect(read(main, fd, WHOLE, length)).toBe('');
    expect(read(main, fd, WHOLE, 0)).toHaveLength(2 * length);
  });
});

describe('/proc/sys/vm/max_map_count', () => {
  it('has nothing behind what the first read took', () => {
    const { main } = smallMachine().createProcess();
    const fd = ret(main, 'open', '/proc/sys/vm/max_map_count', 0);
    expect([read(main, fd, 2, 0), read(main, fd, WHOLE, 2), read(main, fd, WHOLE, 0)]).toEqual(['65', '', '65530\n']);
  });
});
