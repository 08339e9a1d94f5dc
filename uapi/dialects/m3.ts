import type { DialectData } from '../dialect.js';

/** Linux 5.14 to 5.19, header blob f14dea5dcd06. */
export const M3: DialectData = {
  id: 'M3',
  title: 'Linux 5.14 to 5.19',
  aliases: ['5.14', '5.15', '5.16', '5.17', '5.18', '5.19'],
  parent: 'M2',
  commands: { EXCLUSIVE: 4, CHECK_EXCLUSIVE: 5 },
};
