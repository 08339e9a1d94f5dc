import type { DialectData } from '../dialect.js';

/** Linux 7.3, header blob ea9b0ec404fb. */
export const M7: DialectData = {
  id: 'M7',
  title: 'Linux 7.3',
  aliases: ['7.3'],
  parent: 'M6',
  commands: { READ_UNLOCKED: 9 },
};
