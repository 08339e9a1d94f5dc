import { expect, test } from 'vitest';
import * as errno from '../../../uapi/errno.js';

test('a number has one name, whatever its sign', () => {
  expect(errno.errnoName(22)).toBe('EINVAL');
  expect(errno.errnoName(-22)).toBe('EINVAL');
  expect(errno.errnoName(-11)).toBe('EAGAIN');
  expect(errno.errnoName(-133)).toBe('EHWPOISON');
});

test('an unknown number comes back as text', () => {
  expect(errno.errnoName(-9999)).toBe('-9999');
  expect(errno.errnoName(0)).toBe('0');
});

test('names lead back to numbers', () => {
  expect(errno.errnoByName('EFAULT')).toBe(errno.EFAULT);
  expect(errno.errnoByName('toString')).toBeUndefined();
});

test('every constant but the aliases is known by name', () => {
  const aliases = ['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP'];
  for (const [name, value] of Object.entries(errno)) {
    if (typeof value === 'number' && !aliases.includes(name)) expect(errno.errnoName(value)).toBe(name);
  }
});
