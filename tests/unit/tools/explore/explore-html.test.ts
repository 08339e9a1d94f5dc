import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { exploreHtml } from '../../../../tools/explore/explore-html.js';
import { work } from '../../../../tools/explore/explore-worker.js';
import { namedTests } from '../../../../tools/explore/shipped-tests.js';
import { witnessOf } from '../../../../tools/explore/witness.js';
import { BrowserPage, NEEDS_BROWSER } from '../../browser-page.js';

describe('the page of `explore --html` in a browser', NEEDS_BROWSER, () => {
  const browser = new BrowserPage();
  const how = { path: 'classic', profile: '6.12', strategy: 'dpor', budget: 500, seed: 1, isChecked: true } as const;
  const [litmus] = namedTests(['mig-unmap']);
  const strict = { ...litmus!, conditions: { forbid: ['-2 0 0 *'], require: [], allow: [] } };
  const report = work({ test: strict, how });
  let page: Page;
  let address: string;

  beforeAll(async () => {
    address = await browser.show(exploreHtml([report], witnessOf));
    ({ page } = browser);
  }, 30_000);

  test('loads nothing but itself, and has a row for each outcome', async () => {
    expect(browser.seen).toEqual([address]);
    expect(await page.locator('.tests tbody tr').count()).toBe(report.outcomes.length);
    expect(await page.locator('.note').allTextContents()).toEqual(report.problems.map(({ what }) => what));
  });

  test('leads from an outcome to the columns of a schedule, each step in its thread', async () => {
    const { outcome, token } = report.outcomes.find((one) => one.outcome.startsWith('-2'))!;
    await page.getByRole('link', { name: outcome, exact: true }).click();
    const section = page.locator('section:target');
    expect(await section.locator('h3').textContent()).toBe(outcome);
    expect(await section.locator('th').allTextContents()).toEqual(litmus!.threads.map((ops) => ops.join('; ')));
    expect(await section.locator('tbody tr').count()).toBe(witnessOf([token]).rows.length);
    expect(await section.textContent()).toContain(token);
  });

  test('needs no sideways scrolling on a screen, and its tables scroll by themselves on a phone', async () => {
    const overflow = () => page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(await overflow()).toBe(0);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await overflow()).toBe(0);
  });
});
