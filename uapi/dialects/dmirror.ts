import type { DialectData } from '../dialect.js';

/**
 * This project's own numbering. It only adds: every number of the kernel's header keeps its meaning, and migrate on fault gets one far
 * from the sequence, where no header will collide with it.
 */
export const dmirror: DialectData = {
  id: 'dmirror',
  title: "this project's own: Linux 7.3 and migrate on fault",
  parent: 'M7',
  commands: { MIGRATE_ON_FAULT_TO_DEV: 0x40 },
};
