import { expect, test } from 'vitest';
import { _IO, _IOC_DIR, _IOC_NR, _IOC_SIZE, _IOC_TYPE, _IOR, _IOW, _IOWR } from '../../../uapi/ioc.js';

test('numbers are what gcc prints, unsigned', () => {
  expect(_IOWR('H', 0, 40)).toBe(0xc0284800);
  expect(_IOWR(0x48, 7, 48)).toBe(0xc0304807);
  expect(_IOW('g', 7, 24)).toBe(0x40186707);
  expect(_IO('g', 8)).toBe(0x6708);
  expect(_IOR('g', 1, 8)).toBe(0x80086701);
});

test('a number comes apart again', () => {
  const cmd = _IOWR('H', 0x40, 40);
  expect([_IOC_DIR(cmd), _IOC_SIZE(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd)]).toEqual([3, 40, 0x48, 0x40]);
});

test('a signed number comes apart the same way', () => {
  expect(_IOC_DIR(0xc0284801 | 0)).toBe(3);
  expect(_IOC_SIZE(0xc0284801 | 0)).toBe(40);
});
