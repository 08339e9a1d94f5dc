import { relative } from 'node:path';
import { shipped } from '../../package-root.js';

/** The first line of a plan that dmirror writes: editors complete and check what follows. Relative to the folder that it is written in. */
export function schemaComment(): string {
  return `# yaml-language-server: $schema=${relative(process.cwd(), shipped('docs/schemas/plan.schema.json'))}`;
}
