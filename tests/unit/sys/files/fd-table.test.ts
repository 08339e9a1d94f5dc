import { describe, expect, it } from 'vitest';
import { EBADF, ENOTTY } from '../../../../uapi/errno.js';
import { O_RDWR, O_TMPFILE } from '../../../../uapi/fcntl.js';
import { ret, smallMachine } from '../helpers.js';

describe('descriptors', () => {
  it('are the lowest free number', () => {
    const { main } = smallMachine().createProcess();
    expect([ret(main, 'open', '/proc/meminfo', 0), ret(main, 'open', '/proc/meminfo', 0)]).toEqual([0, 1]);
    expect(ret(main, 'close', 0)).toBe(0);
    expect(ret(main, 'close', 0)).toBe(-EBADF);
    expect(ret(main, 'open', '/proc/meminfo', 0)).toBe(0);
  });

  it('of tmpfs and proc files know no ioctl', () => {
    const { main } = smallMachine().createProcess();
    const fd = ret(main, 'open', '/tmp', O_TMPFILE | O_RDWR);
    expect(ret(main, 'ioctl', fd, 1, 0)).toBe(-ENOTTY);
    expect(ret(main, 'ioctl', 77, 1, 0)).toBe(-EBADF);
  });
});
