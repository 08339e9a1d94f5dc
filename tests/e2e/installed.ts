import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * A folder with the package that `npm pack` makes of what is built, and its tarball; the dependencies are those of this tree, as no network
 * may be needed. What packs it is told to run no scripts, as one of them builds, while others test what is built.
 */
export function installed(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-package-'));
  const packed = spawnSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const [{ filename }] = JSON.parse(packed.stdout) as { filename: string }[];
  const home = join(folder, 'node_modules', 'dmirror');
  mkdirSync(home, { recursive: true });
  spawnSync('tar', ['-xzf', join(folder, filename!), '-C', home, '--strip-components=1']);
  spawnSync(process.execPath, [join(ROOT, 'tools/build/manifest.js'), 'strip', join(home, 'package.json')]);
  spawnSync('tar', ['-czf', join(folder, filename!), '-C', home, '--transform', 's,^[.],package,', '.']);
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { dependencies: object };
  for (const name of [...Object.keys(dependencies), '@types']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  mkdirSync(join(folder, 'node_modules', '.bin'));
  symlinkSync('../dmirror/bin/dmirror.js', join(folder, 'node_modules', '.bin', 'dmirror'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return folder;
}
