import { describe, expect, it } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';

describe('options', () => {
  it.each([
    [{ ramBytes: 3 }, 'ramBytes is 3, not a multiple of 2097152 (2 MiB) of at most 3755999232, or 4292870144 without'],
    [{ ramBytes: 2 ** 32 }, 'ramBytes is 4294967296'],
    [{ ramBytes: 2 ** 33, coherent: false }, 'of at most 4292870144'],
    [{ path: 'clasic' as 'classic' }, "path is 'clasic': no path 'clasic'; there are classic, unified"],
    [{ dialect: 'M55' }, "dialect is 'M55', not one of"],
    [{ swapBytes: -1 }, 'swapBytes is -1, not a number of at least 0'],
  ])('%j are refused by name, value and what is possible', (options, message) => {
    expect(() => new Machine(options)).toThrow(message);
  });
});
