// Writes the names of the kernel's functions into the built files: rules of `dmirror fault` ask which functions are on the stack, and
// whoever bundles and minifies the package renames them. A name that is a property survives that.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DRIVER = fileURLToPath(new URL('../../dist/driver', import.meta.url));

for (const name of readdirSync(DRIVER, { recursive: true })) {
  if (!name.endsWith('.js') || name.startsWith('daemon')) continue;
  const file = join(DRIVER, name);
  const text = readFileSync(file, 'utf8');
  const functions = [...text.matchAll(/^(?:export )?function\*? (\w+)/gm)].map(([, name]) => name);
  if (functions.length === 0) continue;
  // A loop's own variables would hide functions of their names.
  const naming = `Object.entries({ ${functions.join(', ')} }).forEach(([name, value]) => Object.defineProperty(value, 'name', { value: name }));`;
  writeFileSync(file, `${text.trimEnd()}\n${naming}\n`);
}
