import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entryId } from '../../../../driver/core/observer.js';
import { Cell } from '../../../../driver/recording/cell-history.js';
import type { MachineView, Recording } from '../../../../driver/recording/index.js';
import { operandText } from '../../../../driver/trace/trace-text.js';
import { disagrees, mirrorSign, pageSign } from '../../../../tools/view/cell-sign.js';
import { pageText } from '../../../../tools/view/diff.js';
import { packRecording, type RecordingData, unpackRecording } from '../../../../tools/view/recording-data.js';
import { packRun, viewHtml } from '../../../../tools/view/view-html.js';
import { stride } from '../../../counts.js';
import { BrowserPage, NEEDS_BROWSER } from '../../browser-page.js';
import { type MachineProgram, machineProgram } from '../../explore/machine-race.js';
import { recorded, stopped } from '../../recording/recorded-race.js';

const programs = fc.sample(machineProgram(3, { ops: 3, pages: 3 }), { seed: 11, numRuns: 6 });

const copyOf = (data: RecordingData): RecordingData => JSON.parse(JSON.stringify(data));

describe('a packed recording', () => {
  it('has the machine after any step as the recording has it, and what the step was', () => {
    for (const program of programs) {
      const recording = recorded({ program, seed: 1 });
      const unpacked = unpackRecording(copyOf(packRecording(recording)));
      const by = stride(3, 5);
      for (let step = recording.steps % by; step <= recording.steps; step += by) {
        expect(unpacked.at(step).view()).toEqual(recording.at(step).view());
        if (step > 0) expect(unpacked.step(step)).toEqual(recording.step(step));
      }
    }
  });

  it('ends where a page has no room for more events, and says so', () => {
    const recording = recorded({ program: programs[0]!, seed: 1 });
    const run = { title: 'cut', recording, outcome: '', findings: [] };
    const data = packRecording(recording, 10);
    expect(data.events.length).toBeLessThanOrEqual(10);
    // Where a task goes on is known from its next step.
    const { tasks: _, ...rest } = recording.at(data.steps).view();
    expect(unpackRecording(data).at(data.steps).view()).toMatchObject(rest);
    expect(packRun(run, 10).run.cut).toBe(
      `cut behind step ${data.steps} of ${recording.steps}: a page has 10 events at most`,
    );
  });
});

/** A folio that an entry and a mirror name at the end. */
function sharedFolio(recording: Recording): number | undefined {
  const { spaces, mirrors } = recording.at(recording.steps).view();
  const mirrored = new Set(mirrors.flatMap(({ pages }) => pages.map(({ pfn }) => pfn)));
  return spaces.flatMap(({ pages }) => pages).find(({ pfn }) => mirrored.has(pfn))?.pfn;
}

/** A program after which a device maps pages. */
function withMirror(): [MachineProgram, Recording] {
  for (const program of fc.sample(machineProgram(3, { ops: 3, pages: 3 }), { seed: 11, numRuns: 40 })) {
    const recording = recorded({ program, seed: 1 });
    if (sharedFolio(recording) !== undefined) return [program, recording];
  }
  throw new Error('no program leaves a mirror behind');
}

/** The same steps again and again, until there are so many events: what a page of that size is. */
function longer(data: RecordingData, events: number): RecordingData {
  const times = Math.ceil(events / data.events.length);
  const all = Array.from({ length: times }, (_, i) => i);
  const repeat = <T>(of: readonly T[]): T[] => all.flatMap(() => of);
  const { rows, rowsUpTo, steps } = data;
  return {
    ...data,
    steps: steps * times,
    rows: { cell: repeat(rows.cell), value: repeat(rows.value), path: repeat(rows.path) },
    rowsUpTo: all.flatMap((i) => rowsUpTo.map((end) => i * rows.cell.length + end)),
    ...{ taskOf: repeat(data.taskOf), pathOf: repeat(data.pathOf), endOf: repeat(data.endOf) },
    tickOf: all.flatMap((i) => data.tickOf.map((tick) => tick + i * steps)),
    events: all.flatMap((i) => data.events.map(({ step, event }) => ({ step: step + i * steps, event }))),
  };
}

describe('the page in a browser', NEEDS_BROWSER, () => {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-view-'));
  const [program, recording] = withMirror();
  const second = programs[2]!;
  const browser = new BrowserPage(1600);
  let builtPage: string;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    const file = join(folder, 'page.js');
    const { status, stderr } = spawnSync('node', ['tools/build/view-page.js', file], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    builtPage = readFileSync(file, 'utf8');
    ({ page } = browser);
    const named = (title: string, of: Recording) => packRun({ title, recording: of, outcome: 'done', findings: [] });
    await open([named('first', recording), named('second', recorded({ program: second, seed: 1 }))]);
  }, 60_000);

  afterAll(() => rmSync(folder, { recursive: true }));

  /** Size of the page in bytes. */
  async function open(runs: ReturnType<typeof packRun>[]): Promise<number> {
    const html = viewHtml({ title: 'runs </script>', runs, findings: [] }, builtPage);
    address = await browser.show(html);
    await page.waitForSelector('.cell[data-vpn]');
    return html.length;
  }

  async function goTo(step: number): Promise<void> {
    await page.locator('[aria-label="step number"]').fill(String(step));
    await page.keyboard.press('Enter');
    await page.waitForFunction(`location.hash.endsWith('step=${step}')`);
  }

  /** `mm vpn file`: the letters of each cell with something in it. */
  const cellsShown = (): Promise<string[]> =>
    page.$$eval('.memory .cell:not(.none)', (cells) =>
      cells.map((cell) => {
        const { mm, vpn, file } = (cell as unknown as { dataset: Record<string, string> }).dataset;
        return `${mm} ${vpn} ${file ?? ''} ${cell.textContent}`;
      }),
    );

  function cellsOf({ spaces, mirrors }: MachineView): string[] {
    const pages = spaces.flatMap(({ mm, pages }) => pages.map((of) => `${mm} ${of.vpn}  ${pageSign(of)}`));
    const mirrored = mirrors.flatMap(({ mm, file, pages }) =>
      pages.map((of) => {
        const own = spaces.find((space) => space.mm === mm)?.pages.find(({ vpn }) => vpn === of.vpn);
        return `${mm} ${of.vpn} ${file} ${mirrorSign(of)}${disagrees(own, of) ? '!' : ''}`;
      }),
    );
    return [...pages, ...mirrored].sort();
  }

  it('loads nothing but itself and breaks nowhere', () => {
    expect(browser.seen).toEqual([address]);
  });

  it('shows in its cells what the machine has when it is stopped there', async () => {
    const { steps } = recording;
    const some = [1, 2, 3, 4].map((part) => Math.floor((part * steps) / 4));
    for (const step of some) {
      await goTo(step);
      expect((await cellsShown()).sort()).toEqual(cellsOf(stopped({ program, seed: 1 }, step)));
    }
    expect((await cellsShown()).length).toBeGreaterThan(0);
  });

  it('goes by keys, and plays', async () => {
    await goTo(3);
    await page.keyboard.press('Escape');
    const press = async (key: string, step: number) => {
      await page.keyboard.press(key);
      await page.waitForFunction(`location.hash.endsWith('step=${step}')`);
    };
    await press('ArrowRight', 4);
    await press('Shift+ArrowRight', 14);
    await press('ArrowLeft', 13);
    await press('Home', 0);
    await press('End', recording.steps);
    await press('ArrowLeft', recording.steps - 1);
    await press('Space', recording.steps);
  });

  it('finds events by words, and goes to them', async () => {
    const wanted = packRecording(recording).events.filter(({ event }) =>
      `${event.kind} ${operandText(event)}`.includes('mmap_lock'),
    );
    await goTo(0);
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type('mmap_lock');
    await page.waitForFunction(`document.querySelector('.count').textContent.startsWith('${wanted.length} of ')`);
    await page.keyboard.press('Enter');
    await page.waitForFunction(`location.hash.endsWith('step=${wanted.find(({ step }) => step > 0)!.step}')`);
    await page.locator('[type=search]').fill('');
  });

  it('chooses cells by keys, and says what is in them', async () => {
    await goTo(recording.steps);
    const view = recording.at(recording.steps).view();
    await page.locator('.memory').focus();
    const selected = () =>
      page.$eval('.cell.selected', (cell) => {
        const { mm, vpn, file } = (cell as unknown as { dataset: Record<string, string> }).dataset;
        return `${mm} ${vpn} ${file ?? ''}`;
      });
    await page.keyboard.press('ArrowDown');
    const [mm, first] = (await selected()).split(' ').map(Number);
    const files = view.mirrors.filter((mirror) => mirror.mm === mm).map(({ file }) => file);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector(`.cell.selected[data-vpn="${first! + 2}"]`);
    for (const file of files) {
      await page.keyboard.press('ArrowDown');
      await page.waitForSelector(`.cell.selected[data-vpn="${first! + 2}"][data-file="${file}"]`);
    }
    for (const _ of files) await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(
      `document.querySelector('.details h3').textContent.startsWith('entry 0x${((first! + 1) * 4096).toString(16)} of mm ${mm}: ')`,
    );
    const { pages } = view.spaces.find((space) => space.mm === mm)!;
    const page1 = pages.find(({ vpn }) => vpn === first! + 1);
    const text = page1 === undefined ? 'NONE' : pageText(page1);
    expect(await page.locator('.details h3').innerText()).toContain(`: ${text} · every change`);
    await page.keyboard.press('Escape');
    await page.waitForSelector('.cell.selected', { state: 'detached' });
  });

  it('marks in all three panes what names the folio that is pointed at', async () => {
    await goTo(recording.steps);
    const folio = sharedFolio(recording);
    await page.locator(`.memory .cell.mirrored[data-folio="${folio}"]`).first().hover();
    const marked = await page.$$eval('[data-folio]', (all) =>
      all
        .filter(
          (of) =>
            (globalThis as unknown as { getComputedStyle(of: unknown): { outlineStyle: string } }).getComputedStyle(of)
              .outlineStyle === 'solid',
        )
        .map((of) => `${of.className.split(' ')[0]} ${of.getAttribute('data-folio')}`),
    );
    const all = await page.$$eval(`[data-folio="${folio}"]`, (of) => of.map((one) => one.className.split(' ')[0]));
    expect(marked.sort()).toEqual(all.map((name) => `${name} ${folio}`).sort());
    expect(new Set(all)).toEqual(new Set(['cell', 'folio']));
    expect(all.length).toBeGreaterThan(2);
  });

  it('marks what differs from another step and from another run', async () => {
    await goTo(recording.steps);
    await page.getByLabel('compare with', { exact: true }).selectOption('0');
    await page.getByLabel('step to compare with').fill('0');
    const differing = (a: MachineView, b: MachineView): number => {
      const of = ({ spaces }: MachineView) =>
        new Map(spaces.flatMap(({ mm, pages }) => pages.map((p) => [`${mm} ${p.vpn}`, `${p.text} ${p.pfn}`] as const)));
      const [x, y] = [of(a), of(b)];
      return [...new Set([...x.keys(), ...y.keys()])].filter((key) => x.get(key) !== y.get(key)).length;
    };
    const pages = differing(recording.at(recording.steps).view(), recording.at(0).view());
    await page.waitForFunction(`document.querySelector('.differences')?.textContent.startsWith('≠ ${pages} entries')`);
    expect(await page.locator('.cell.differs:not([data-file])').count()).toBe(pages);
    await page.getByLabel('compare with', { exact: true }).selectOption('1');
    await page.waitForSelector('text=same step');
    await page.getByLabel('compare with', { exact: true }).selectOption('');
    expect(browser.seen.filter((error) => !error.startsWith('file:'))).toEqual([]);
  });

  it('needs no sideways scrolling at 1280 and 1920', async () => {
    for (const width of [1280, 1920]) {
      await page.setViewportSize({ width, height: 1600 });
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    }
  });

  it('says how many rows have no room', async () => {
    const { run } = packRun({ title: 'wide', recording, outcome: '', findings: [] });
    const data = packRecording(recording);
    const [{ mm, pages }] = recording.at(0).view().spaces as [MachineView['spaces'][number]];
    const rows = Array.from({ length: 600 }, (_, i) => entryId(mm, pages[0]!.vpn + 32 * (i + 100)));
    const { kind, id, first } = data.cells;
    const cells = {
      kind: [...kind, ...rows.map(() => Cell.pte)],
      id: [...id, ...rows],
      first: [...first, ...rows.map(() => 1)],
    };
    await open([{ run, packed: deflateSync(JSON.stringify({ ...data, cells })).toString('base64') }]);
    const heading = await page.locator('.memory .space').first().innerText();
    expect(heading).toMatch(/ · cut: (8[89]|9\d) more rows have no room$/);
  });

  it('is below 3 MB with 10,000 events, and answers with 100,000', async () => {
    const packed = (events: number) => {
      const { run } = packRun({ title: 'long', recording, outcome: '', findings: [] });
      const data = longer(packRecording(recording), events);
      return { run, packed: deflateSync(JSON.stringify(data)).toString('base64') };
    };
    expect(await open([packed(10_000)])).toBeLessThan(3 * 2 ** 20);
    await open([packed(100_000)]);
    const times = (await page.evaluate(MEASURE)) as Record<string, number>;
    console.info('ms with 100,000 events, median of 20:', JSON.stringify(times));
    expect(Object.keys(times)).toEqual(['scrub', 'scroll', 'search']);
    expect(browser.seen.filter((error) => !error.startsWith('file:'))).toEqual([]);
  });
});

/** From an input to the frame that shows what comes of it. */
const MEASURE = `(async () => {
  const shown = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const input = (of, value) => { of.value = value; of.dispatchEvent(new Event('input', { bubbles: true })); };
  const range = document.querySelector('.range'), events = document.querySelector('.events .list'), search = document.querySelector('[type=search]');
  const words = ['lock', 'mmap', 'span', 'migrate', 'ptl'];
  const acts = {
    scrub: (i) => input(range, Math.floor((range.max * ((i * 7) % 20)) / 20)),
    scroll: (i) => { events.scrollTop = (events.scrollHeight * ((i * 7) % 20)) / 20; },
    search: (i) => input(search, words[i % words.length]),
  };
  const times = {};
  for (const [name, act] of Object.entries(acts)) {
    const all = [];
    for (let i = 1; i <= 20; i++) {
      const began = performance.now();
      act(i);
      await shown();
      all.push(performance.now() - began);
    }
    times[name] = Math.round(all.sort((a, b) => a - b)[10]);
  }
  return times;
})()`;
