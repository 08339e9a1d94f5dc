import type { Definition } from './instruction.js';

/** RV64F and RV64D. */
export const FLOAT: readonly Definition[] = [];
