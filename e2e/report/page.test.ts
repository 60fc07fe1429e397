import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { renderHtml } from '../../packages/core/src/report/html.ts';
import { fixtureReport } from '../../packages/core/test/report/fixture.ts';
import { CHROMIUM, hasChromium, openBrowser, type View, VIEWS } from './browser.ts';

const long = 'Unbreakable'.repeat(40);
const report = fixtureReport();
/** Texts that would push the page wider than the screen. */
const wide = {
  ...report,
  name: long,
  warnings: [long],
  gates: [{ metric: long, condition: long, value: 1, passed: false }],
  baseline: { [long]: report.baseline['tfidf-logreg'] ?? {} },
  environment: { ...report.environment, [long]: long },
  extra: { [long]: { [long]: { [long]: long } } },
};

// Needs a browser, which neither npm nor this project installs: `apt-get install chromium`, or set CHROMIUM_PATH.
describe.skipIf(!hasChromium)(`the report in Chromium (skipped where there is no ${CHROMIUM})`, () => {
  let browser: Browser;
  let folder: string;
  const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

  beforeAll(async () => {
    browser = await openBrowser();
    folder = await mkdtemp(join(tmpdir(), 'anneal-page-'));
    await writeFile(join(folder, 'report.html'), renderHtml(report));
    await writeFile(join(folder, 'wide.html'), renderHtml(wide));
  });

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens a page and notes every request and every complaint of the browser. */
  async function open(file: string, { width, scheme }: View, scripts: boolean) {
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      colorScheme: scheme,
      javaScriptEnabled: scripts,
      bypassCSP: scripts,
    });
    const page = await context.newPage();
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    const url = pathToFileURL(join(folder, file)).href;
    await page.goto(url);
    return { page, url, requests, complaints, close: () => context.close() };
  }

  async function violations(page: Page): Promise<readonly string[]> {
    await page.addScriptTag({ content: await readFile(axe, 'utf8') });
    const found = await page.evaluate<AxeResults>('axe.run(document, { resultTypes: ["violations"] })');
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
  }

  it.each(VIEWS)('has nothing that axe-core finds fault with: $width px, $scheme', async (view) => {
    for (const file of ['report.html', 'wide.html']) {
      const { page, close } = await open(file, view, true);
      await page.evaluate('for (const own of document.querySelectorAll("details")) own.open = true');
      expect(await violations(page), file).toEqual([]);
      await close();
    }
  });

  it('would be found fault with if text were too faint', async () => {
    const { page, close } = await open('report.html', { width: 1280, scheme: 'light' }, true);
    await page.addStyleTag({ content: ':root{--soft:#b0b0b0}' });
    expect((await violations(page)).join(' ')).toContain('color-contrast');
    await close();
  });

  it('loads nothing and breaks no rule of its own policy, without scripts', async () => {
    const { url, requests, complaints, close } = await open('report.html', { width: 1280, scheme: 'light' }, false);
    expect(requests.filter((request) => request !== url && request !== 'data:,')).toEqual([]);
    expect(complaints).toEqual([]);
    await close();
  });

  it('runs no script that got into it', async () => {
    const planted = '<script>document.title = "ran"</script><img src=x onerror="document.title = \'ran\'"></main>';
    await writeFile(join(folder, 'planted.html'), renderHtml(report).replace('</main>', planted));
    const context = await browser.newContext();
    const page = await context.newPage();
    const refused: string[] = [];
    page.on('console', (message) => refused.push(message.text()));
    await page.goto(pathToFileURL(join(folder, 'planted.html')).href);
    expect(await page.title()).toBe('mail-filter');
    for (const directive of ['inline script', 'inline event handler', 'image']) {
      expect(refused.join('\n').toLowerCase()).toContain(directive);
    }
    await context.close();
  });

  it.each(VIEWS.filter(({ scheme }) => scheme === 'light'))(
    'is no wider than $width px, whatever it says',
    async (view) => {
      for (const file of ['report.html', 'wide.html']) {
        const { page, close } = await open(file, view, true);
        await page.evaluate('for (const own of document.querySelectorAll("details")) own.open = true');
        expect(await page.evaluate('document.documentElement.scrollWidth'), file).toBe(view.width);
        await close();
      }
    },
  );

  it('draws every chart inside its figure, and every dot round', async () => {
    const { page, close } = await open('report.html', { width: 390, scheme: 'light' }, true);
    const outside = await page.evaluate<readonly string[]>(`
      [...document.querySelectorAll('svg.chart')].flatMap((chart) => {
        const box = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('text')].flatMap((text) => {
          const own = text.getBoundingClientRect();
          const inside = own.left >= box.left - 6 && own.right <= box.right + 6 && own.top >= box.top - 1 && own.bottom <= box.bottom + 1;
          return inside ? [] : [chart.querySelector('title').textContent + ': ' + text.textContent];
        });
      })`);
    expect(outside).toEqual([]);
    const stretched = await page.evaluate(
      '[...document.querySelectorAll("path.dot")].filter((dot) => getComputedStyle(dot).vectorEffect !== "non-scaling-stroke").length',
    );
    expect(stretched).toBe(0);
    await close();
  });

  it('can be walked by keyboard: the first stop skips to the results', async () => {
    const { page, close } = await open('report.html', { width: 1280, scheme: 'light' }, true);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the results');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('location.hash')).toBe('#main');
    await close();
  });

  it('shows where the keyboard is at every stop, and opens what is closed', async () => {
    for (const width of [1280, 390]) {
      const { page, close } = await open('report.html', { width, scheme: 'light' }, true);
      const stops = await page.evaluate<number>(
        '[...document.querySelectorAll(\'a[href], summary, [tabindex="0"]\')].filter((one) => one.checkVisibility()).length',
      );
      expect(stops).toBeGreaterThan(15);
      const unseen: string[] = [];
      for (let i = 0; i < stops; i++) {
        await page.keyboard.press('Tab');
        const problem = await page.evaluate<string | undefined>(`(() => {
          const one = document.activeElement;
          const { top, bottom, width } = one.getBoundingClientRect();
          if (one === document.body) return 'nothing has the focus';
          const { outlineStyle } = getComputedStyle(one);
          const isSeen = outlineStyle !== 'none' && width > 0 && bottom > 0 && top < innerHeight;
          return isSeen ? undefined : one.outerHTML.slice(0, 80);
        })()`);
        if (problem !== undefined) unseen.push(problem);
      }
      expect(unseen, `${width} px`).toEqual([]);
      await page.focus('summary');
      await page.keyboard.press('Enter');
      expect(await page.evaluate('document.activeElement.parentElement.open')).toBe(true);
      await close();
    }
  });
});
