import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { needs } from '../needs.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);

/** Of a suite whose tests look at a page. */
export const NEEDS_BROWSER = needs('chromium', CHROMIUM !== undefined);

/** A page in a real browser, from before the tests of a suite until they are over. */
export class BrowserPage {
  /** What the page has loaded since it was last shown something, and what went wrong in it. */
  readonly seen: string[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'dmirror-html-'));
  private browser: Browser | null = null;
  private opened: Page | null = null;

  constructor(height = 800) {
    beforeAll(async () => {
      this.browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
      this.opened = await this.browser.newPage({ viewport: { width: 1280, height } });
      this.opened.on('request', (request) => this.seen.push(request.url()));
      this.opened.on('pageerror', (error) => this.seen.push(String(error)));
    }, 30_000);
    afterAll(async () => {
      await this.browser?.close();
      rmSync(this.folder, { recursive: true });
    });
  }

  get page(): Page {
    return this.opened!;
  }

  /** Shows a page; answers its address. */
  async show(html: string): Promise<string> {
    const file = join(this.folder, 'page.html');
    const { href } = pathToFileURL(file);
    writeFileSync(file, html);
    await this.open(href);
    return href;
  }

  async open(address: string): Promise<void> {
    this.seen.length = 0;
    await this.page.goto(address);
  }
}
