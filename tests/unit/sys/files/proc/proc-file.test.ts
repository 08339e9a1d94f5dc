import { describe, expect, it } from 'vitest';
import type { Thread } from '../../../../../driver/sys/processes/thread.js';
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
