import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkFolders, ONE_TARGET } from '../../../../tools/abi/check.js';
import { isBreak } from '../../../../tools/abi/compare/finding.js';
import { applySuppressions, parseSuppressions } from '../../../../tools/abi/report/suppressions.js';
import { some } from '../../../counts.js';

const TREES = (process.env.DMIRROR_HEADER_TREES ?? '').split(':').filter((tree) => existsSync(tree));
const [older, newer] = TREES;
const why = TREES.length < 2 ? 'DMIRROR_HEADER_TREES names no two trees' : '';
if (why !== '') console.log(`header trees of Linux 6.1 and 6.12 are not compared: ${why}`);
const options = { old: {}, new: {}, renames: [], targets: ONE_TARGET };
const LIST = fileURLToPath(new URL('./linux-6.1-to-6.12.json', import.meta.url));

describe.skipIf(why !== '')('the headers of Linux 6.1 and 6.12', () => {
  test('break where the list says, each with its reason, and nowhere else', async () => {
    const { findings, coverage } = await checkFolders({ old: older!, new: newer! }, options);
    const known = parseSuppressions(LIST, readFileSync(LIST, 'utf8'));
    // linux-libc-dev lacks two folders.
    const isWhole = TREES.every((tree) => existsSync(join(tree, 'drm')));
    const result = applySuppressions(findings, known, { today: '2000-01-01', isWhole });
    console.log(
      `6.1 to 6.12: ${coverage.headers} headers, ${coverage.withCommands} with commands, ${result.suppressed.length} known breaks`,
    );
    expect(result.findings.filter(isBreak).map(({ header, message }) => `${header}: ${message}`)).toEqual([]);
    expect(coverage.withCommands).toBeGreaterThan(200);
  });

  test.each(some(TREES, 2))('%s differs from itself in nothing', async (tree) => {
    const { findings } = await checkFolders({ old: tree, new: tree }, options);
    expect(findings.filter((finding) => isBreak(finding) || finding.class === 'added')).toEqual([]);
  });
});
