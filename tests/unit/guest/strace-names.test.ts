import { expect, it } from 'vitest';
import { NAMED } from '../../../driver/guest/strace-names.js';

it.each([
  ['G', 0o5600, 'IPC_CREAT|SHM_HUGETLB|0600'],
  ['G', 0o644, '0644'],
  ['A', 0o10000, 'SHM_RDONLY'],
  ['A', 0, '0'],
  ['K', 0, 'IPC_RMID'],
  ['K', 2, 'IPC_STAT'],
])('arguments of SysV shared memory have their names: %s of %i is %s', (kind, value, text) => {
  expect(NAMED[kind]!(value)).toBe(text);
});
