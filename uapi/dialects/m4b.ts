import type { DialectData } from '../dialect.js';

/** The commit after it, header blob f700da7807c1. */
export const M4b: DialectData = {
  id: 'M4b',
  title: 'inside the 6.0 merge window, second step',
  parent: 'M4a',
  constants: { MEMORY_DEVICE_COHERENT: 2 },
};
