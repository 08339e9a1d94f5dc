import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { some } from '../counts.js';
import { COMPILER, GuestBuild } from '../guest/compile.js';
import { needs } from '../needs.js';
import { BrowserPage, NEEDS_BROWSER } from '../unit/browser-page.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-view-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function dmirror(line: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['bin/dmirror.js', ...line.split(' ')], { encoding: 'utf8' });
}

/** The text of an explanation, and that it is one for a mail. */
function explained(of: string): string {
  const { stdout } = dmirror(`explain ${of}`);
  for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  return stdout;
}

/** A report as the command prints it, in a file. */
function report(name: string, command: string): string {
  const file = join(folder, name);
  spawnSync('sh', ['-c', `"${process.execPath}" bin/dmirror.js ${command} > ${file}`]);
  return file;
}

/** Title of the run that a page shows. */
const SHOWN_RUN = `(document.querySelector('.heading select[aria-label=run]')?.selectedOptions[0] ?? document.querySelector('.heading span')).textContent`;

const REPORTS: readonly [kind: string, name: string, command: string, finding: RegExp, run: RegExp][] = [
  [
    'a sweep over a planted defect',
    'sweep.json',
    'fault sweep --defect trylockLeak --path classic --first --pages 4 --workers 0 --json hmm.hmm_device_private.migrate',
    /refcount is 2/,
    /defect trylockLeak, with folio_trylock\/collect\/1\/FAIL$/,
  ],
  [
    'an exploration, with a witness of each outcome',
    'explore.json',
    'explore mig-unmap --budget 20 --json',
    /comes to -2 0 0/,
    /race mig-unmap on classic/,
  ],
  [
    'a conformance run',
    'conform.json',
    'conform --path posted-late --seq mix-F31 --json',
    /recorded/,
    /sequence mix-F31 on posted-late$/,
  ],
  [
    'a review of a posted series',
    'review.txt',
    '',
    /leak-folio_lock-nothing: A folio stays locked whose word/,
    /race fresh-onf-dontneed1 on posted-late/,
  ],
];

describe('dmirror view of a report', NEEDS_BROWSER, () => {
  const browser = new BrowserPage();

  it.each(some(REPORTS, 4))('of %s lists its findings, and opens each', async (_, name, command, finding, run) => {
    const file = command === '' ? 'docs/series-review-late.txt' : report(name, command);
    const html = join(folder, `${name}.html`);
    expect(dmirror(`view ${file} --html ${html}`)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/finding/),
    });
    await browser.show(readFileSync(html, 'utf8'));
    const { page } = browser;
    const rows = page.locator('.reported');
    const texts = await rows.allTextContents();
    expect(
      texts.some((text) => finding.test(text)),
      texts.join('\n'),
    ).toBe(true);
    const titles: string[] = [];
    for (let i = 0; i < texts.length; i++) {
      await rows.nth(i).click();
      await page.waitForSelector(`.reported.now:nth-child(${i + 1})`);
      titles.push(String(await page.evaluate(SHOWN_RUN)));
      expect(await page.locator('.cell[data-vpn]').count()).toBeGreaterThan(0);
    }
    expect(
      titles.some((title) => run.test(title)),
      titles.join('\n'),
    ).toBe(true);
    expect(browser.seen.filter((error) => !error.startsWith('file:'))).toEqual([]);
  });
});

describe('a race of a program', { ...NEEDS_BROWSER, ...needs(COMPILER) }, () => {
  const browser = new BrowserPage();
  const build = new GuestBuild();
  afterAll(() => build.remove());

  it('is found, explained, gone through, and shown in a browser by the server of --open', async () => {
    const racy = build.compile('reports/lost-update');
    const { stderr } = dmirror(`exec --schedules 200 ${racy}`);
    const [, of] = /replay (dm2:guest:\S+ \S+)$/m.exec(stderr)!;
    expect(explained(of!)).toMatch(/cause: [AB] is stopped after step \d+ and [AB] runs;/);
    expect(dmirror(`debug ${of} -c quit`).status).toBe(0);
    const server = spawn(process.execPath, ['bin/dmirror.js', 'view', ...of!.split(' '), '--open']);
    const ended = new Promise((done) => server.on('close', done));
    const [address] = await new Promise<RegExpExecArray>((found) => {
      let text = '';
      server.stdout.on('data', (chunk) => {
        text += chunk;
        const match = /http:\/\/127\.0\.0\.1:\d+\//.exec(text);
        if (match !== null) found(match);
      });
    });
    await browser.open(address);
    await browser.page.waitForSelector('.finding');
    expect(await browser.page.locator('.finding').innerText()).toContain('the program ends with 1');
    expect(await browser.page.locator('.timeline .names div').allTextContents()).toEqual(['1/1', '1/2']);
    await browser.page.keyboard.press('End');
    await browser.page.waitForFunction('!location.hash.endsWith("step=0")');
    expect(browser.seen.filter((of) => !of.startsWith(address))).toEqual([]);
    server.kill('SIGINT');
    expect(await ended).toBe(130);
  });
});
