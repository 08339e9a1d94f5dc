import type { DialectData } from '../dialect.js';

/** Linux 6.19 to 7.2, header blob f94c6d457338. */
export const M6: DialectData = {
  id: 'M6',
  title: 'Linux 6.19 to 7.2',
  aliases: ['6.19', '7.0', '7.1', '7.2'],
  parent: 'M5',
  commands: { FLAGS: 8 },
  constants: { FLAG_FAIL_ALLOC: 1 },
};
