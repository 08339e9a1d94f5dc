import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The path of a JSON Schema that the package holds, as a file in `folder` names it: editors then check what is written there. */
export function schemaPath(name: 'suppressions' | 'dialect', folder: string): string {
  const file = `docs/schemas/${name}.schema.json`;
  // From tools/abi, or from its copy in dist.
  const places = ['../../', '../../../'].map((up) => fileURLToPath(new URL(up + file, import.meta.url)));
  const found = places.find((place) => existsSync(place)) ?? places[0]!;
  const path = relative(resolve(folder), found).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}
