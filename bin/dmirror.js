#!/usr/bin/env node
// Thin on purpose: the program is built into dist/, and this committed file only starts it.
import { existsSync } from 'node:fs';

const program = new URL('../dist/bundle/dmirror.js', import.meta.url);
if (existsSync(program)) {
  const { main } = await import(program.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error('error: dmirror is not built: dist/bundle/dmirror.js is missing');
  console.error('`npm ci` in its folder installs what it needs and builds it, `npm run build` builds it again');
  process.exitCode = 2;
}
