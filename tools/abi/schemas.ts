import { relative, resolve } from 'node:path';
import { shipped } from '../package-root.js';

/** The path of a JSON Schema that the package holds, as a file in `folder` names it: editors then check what is written there. */
export function schemaPath(name: 'suppressions' | 'dialect', folder: string): string {
  const path = relative(resolve(folder), shipped(`docs/schemas/${name}.schema.json`)).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}
