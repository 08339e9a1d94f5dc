import type { DialectData } from '../dialect.js';

/** Linux 6.0, header blob e31d58c9034a. */
export const M4: DialectData = {
  id: 'M4',
  title: 'Linux 6.0',
  aliases: ['6.0'],
  parent: 'M4b',
  constants: { PROT_DEV_COHERENT_LOCAL: 0x40, PROT_DEV_COHERENT_REMOTE: 0x50 },
};
