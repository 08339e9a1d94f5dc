import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { compare } from '../../../../../tools/abi/compare/compare.js';
import { modelOfDialect } from '../../../../../tools/abi/load/dialect-model.js';
import { matrixHtml } from '../../../../../tools/abi/matrix/matrix-html.js';
import { type Matrix, runMatrix } from '../../../../../tools/abi/matrix/matrix-run.js';
import { matrixJson, matrixText } from '../../../../../tools/abi/matrix/matrix-text.js';
import { dialectByName, dialectIds } from '../../../../../uapi/dialect.js';
import { BrowserPage, NEEDS_BROWSER } from '../../../browser-page.js';

async function timed(ids: readonly string[]): Promise<{ matrix: Matrix; msPerPair: number }> {
  const started = performance.now();
  const matrix = await runMatrix(ids);
  return { matrix, msPerPair: (performance.now() - started) / ids.length ** 2 };
}

const few = await timed(dialectIds().slice(0, 4));
const { matrix, msPerPair } = await timed(dialectIds());
const cell = (client: string, device: string) =>
  matrix.cells.flat().find((c) => c.client === client && c.device === device)!;
const textOf = (client: string, device: string, wanted: string) =>
  cell(client, device).calls.find((call) => call.wanted === wanted)!.text;

describe('the matrix', () => {
  test('runs all pairs of dialects, for which a pair takes no longer than among few', () => {
    expect(matrix.cells.flat().length).toBe(dialectIds().length ** 2);
    expect(msPerPair / few.msPerPair).toBeLessThan(2);
  });

  test('shows what a snapshot overruns, underfills, or is refused with', () => {
    expect(textOf('M5', 'M3', 'SNAPSHOT')).toContain(
      "SNAPSHOT runs EXCLUSIVE: returns 0, stores 16384 bytes at ptr, 16380 of them behind the client's 4",
    );
    expect(textOf('M3', 'M5', 'SNAPSHOT')).toContain(
      'SNAPSHOT runs MIGRATE_TO_SYS: returns 0, stores 0 of 4 bytes at ptr',
    );
    expect(textOf('B-onfault', 'M5', 'SNAPSHOT')).toContain('16380 of them behind');
    expect(textOf('M5', 'B-type07', 'SNAPSHOT')).toBe('SNAPSHOT is unknown: -EINVAL');
    expect(textOf('M3', 'M5', 'CHECK_EXCLUSIVE')).toContain("16384 of them behind the client's 0");
  });

  test('moves nothing where a dialect meets itself or only what was added', () => {
    for (const id of dialectIds()) expect(cell(id, id).status).toBe('same');
    expect([cell('M5', 'M7').status, cell('M7', 'M5').status]).toEqual(['same', 'refused']);
  });

  test('agrees with the checker on which pairs hold a silent alias', () => {
    for (const { client, device, calls, status } of matrix.cells.flat()) {
      const models = [client, device].map((id) => modelOfDialect(dialectByName(id)!)) as [never, never];
      const aliases = compare(...models).commands.old.filter((v) => v.class === 'silent-alias').length;
      if (calls.some((call) => call.status === 'silent'))
        expect([client, device, aliases]).not.toEqual([client, device, 0]);
      if (aliases > 0) expect([client, device, status]).not.toEqual([client, device, 'same']);
    }
  });

  test('says where a command is not modelled', () => {
    expect(textOf('B-ref', 'M3', 'MIGRATE_REF')).toContain('not modelled');
  });

  test('prints a sign a cell, and JSON a cell', async () => {
    const small = await runMatrix(['M3', 'M4']);
    expect(
      matrixText(small)
        .filter((line) => /^M[34] /.test(line))
        .slice(0, 2),
    ).toEqual(['M3 . S', 'M4 S .']);
    expect(matrixJson(small).map((line) => JSON.parse(line).status)).toEqual(['same', 'silent', 'silent', 'same']);
  });
});

describe('the page in a browser', NEEDS_BROWSER, () => {
  const browser = new BrowserPage();
  let page: Page;
  let address: string;

  beforeAll(async () => {
    address = await browser.show(matrixHtml(matrix));
    ({ page } = browser);
  }, 30_000);

  test('loads nothing but itself', () => {
    expect(browser.seen).toEqual([address]);
  });

  test('has a cell for each pair, with what happened for its label', async () => {
    const rows = page.locator('.matrix tbody tr');
    expect(await rows.count()).toBe(matrix.ids.length);
    expect(await page.locator('.matrix tbody td').count()).toBe(matrix.ids.length ** 2);
    const label = await page.getByRole('link', { name: /^M5 on M3:/ }).getAttribute('aria-label');
    expect(label).toBe(`M5 on M3: ${cell('M5', 'M3').text}`);
  });

  test('leads from a cell to its calls', async () => {
    await page.getByRole('link', { name: /^M3 on M5:/ }).click();
    const section = page.locator('section:target');
    expect(await section.locator('h3').textContent()).toBe('M3 on M5');
    expect(await section.textContent()).toContain('SNAPSHOT runs MIGRATE_TO_SYS');
    expect(await section.isVisible()).toBe(true);
  });

  test('needs no sideways scrolling on a screen, and its table scrolls by itself on a phone', async () => {
    const overflow = () => page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(await overflow()).toBe(0);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await overflow()).toBe(0);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test('prints with the whole table on the paper', async () => {
    await page.emulateMedia({ media: 'print' });
    await page.setViewportSize({ width: 1032, height: 700 });
    // A browser lays out in its own time.
    await page.waitForFunction("document.querySelector('.matrix').getBoundingClientRect().right <= 1032");
    const pdf = await page.pdf({ preferCSSPageSize: true });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    await page.emulateMedia({ media: 'screen' });
  });
});
