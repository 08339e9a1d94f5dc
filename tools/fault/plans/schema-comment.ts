import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The first line of a plan that dmirror writes: editors complete and check what follows. Relative to the folder that it is written in. */
export function schemaComment(): string {
  // The package's folder is two levels above tools/ in its sources, three in what is built from them.
  const isBuilt = import.meta.url.includes('/dist/tools/');
  const file = fileURLToPath(new URL(`${isBuilt ? '../' : ''}../../../docs/schemas/plan.schema.json`, import.meta.url));
  return `# yaml-language-server: $schema=${relative(process.cwd(), file)}`;
}
