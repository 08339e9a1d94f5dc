import type { DialectData } from '../dialect.js';

/** Linux 6.1 to 6.18, header blob 8c818a2cf4f6. */
export const M5: DialectData = {
  id: 'M5',
  title: 'Linux 6.1 to 6.18',
  aliases: [
    ...['6.1', '6.2', '6.3', '6.4', '6.5', '6.6', '6.7', '6.8', '6.9', '6.10'],
    ...['6.11', '6.12', '6.13', '6.14', '6.15', '6.16', '6.17', '6.18'],
  ],
  parent: 'M4',
  commands: { RELEASE: 7 },
};
