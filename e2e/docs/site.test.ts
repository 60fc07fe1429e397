import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CHROMIUM, hasChromium, openBrowser, VIEWS } from '../report/browser.ts';
import { root } from './markdown.ts';

let folder = '';
let output = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-site-'));
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'scripts/docs.mjs'), folder], {
    cwd: root,
  });
  output = stdout;
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('is built without warnings and dead links', () => {
  expect(output).toMatch(/^\d{4,} links, 0 of them dead$/m);
});

// Needs a browser, which neither npm nor this project installs: `apt-get install chromium`, or set CHROMIUM_PATH.
describe.skipIf(!hasChromium)(`in Chromium (skipped where there is no ${CHROMIUM})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  const pages = [
    'index',
    'guides/start',
    'hooks/train',
    'techniques/lora',
    'reference/config',
    'benchmarks',
    'interfaces/_anneal_core.StepContext',
  ];

  it.each(VIEWS)('fits a screen of $width points in the $scheme scheme', async ({ width, scheme }) => {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
    const page = await context.newPage();
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('request', (request) => requests.push(request.url()));
    for (const name of pages) {
      await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect({ name, overflow }).toEqual({ name, overflow: 0 });
      const light = /\d+/.exec(String(background))?.[0];
      expect(Number(light) > 128).toBe(scheme === 'light');
    }
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    await context.close();
  });

  it('finds a guide, an export and a hook by search', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(pathToFileURL(join(folder, 'index.html')).href);
    for (const [text, link] of [
      ['Write a plugin', 'guides/plugins.html'],
      ['createPipeline', 'functions/_anneal_core.createPipeline.html'],
      ['transformTargets', 'hooks/train.html'],
    ] as const) {
      await page.locator('#tsd-search-trigger').click();
      const input = page.locator('#tsd-search-input');
      // What is typed before the index is there finds nothing.
      const found = async (): Promise<number> => {
        await input.fill('');
        await input.fill(text);
        return page.locator(`#tsd-search-results a[href*="${link}"]`).count();
      };
      await expect.poll(found, { timeout: 30_000, interval: 500 }).toBeGreaterThan(0);
      await page.keyboard.press('Escape');
    }
    await page.close();
  });
});
