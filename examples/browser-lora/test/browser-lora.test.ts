import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onnxBackend } from '@anneal/backend-onnx';
import { type Metrics, openStage } from '@anneal/core';
import { type Backend, memorySource, readSafetensors } from '@anneal/graph';
import { lora } from '@anneal/plugin-lora';
import { onnxModel } from '@anneal/plugin-onnx-model';
import { textClassification } from '@anneal/plugin-text-classification';
import { tokenizer } from '@anneal/plugin-tokenizer';
import type { AxeResults } from 'axe-core';
import { build, type Metafile } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CHROMIUM, hasChromium, openBrowser, VIEWS } from '../../../e2e/report/browser.ts';
import { buildSite } from '../build.ts';
import { DEFAULTS } from '../src/defaults.ts';
import { openJob } from '../src/job.ts';
import type { Mails } from '../src/mails.ts';
import type { News } from '../src/messages.ts';
import { serve, type Server } from './serve.ts';

const conditions = ['@anneal/source'];
let folder: string;
let site: string;
let metafile: Metafile;
let mails: Mails;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-browser-'));
  site = join(folder, 'site');
  metafile = await buildSite({ outDir: site, cacheDir: join(folder, 'cache'), conditions });
  mails = JSON.parse(await readFile(join(site, 'mails.json'), 'utf8')) as Mails;
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('what a page gets', () => {
  it('is bundled without anything of Node', () => {
    const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
    expect(left).toEqual([]);
    const files = Object.keys(metafile.inputs);
    expect(files.filter((file) => /packages\/.*\/src\/node\//.test(file))).toEqual([]);
    expect(files.some((file) => file.endsWith('packages/core/src/train/engine.ts'))).toBe(true);
  });

  const bundle = (name: string): Promise<unknown> =>
    build({
      stdin: { contents: `export * from ${JSON.stringify(name)};`, resolveDir: import.meta.dirname },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2023',
      conditions,
      logLevel: 'silent',
    });

  it.each([
    '@anneal/backend-onnx/web',
    '@anneal/core',
    '@anneal/graph',
    '@anneal/graph/files',
    '@anneal/plugin-label-smoothing',
    '@anneal/plugin-language-modeling',
    '@anneal/plugin-lora',
    '@anneal/plugin-onnx-model',
    '@anneal/plugin-quantize',
    '@anneal/plugin-text-classification',
    '@anneal/plugin-tokenizer',
    '@anneal/plugin-transformer',
  ])('may be %s', async (name) => {
    await bundle(name);
  });

  it('would be refused with a module of Node in it', async () => {
    await expect(bundle('@anneal/plugin-text-data')).rejects.toThrow(/Could not resolve "(node:|fs|stream|buffer)/);
  });
});

// Needs a browser, which neither npm nor this project installs: `apt-get install chromium`, or set CHROMIUM_PATH.
describe.skipIf(!hasChromium)(`the page in Chromium (skipped where there is no ${CHROMIUM})`, () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  const requests: string[] = [];
  const complaints: string[] = [];

  /** What the worker told so far. */
  async function news<T extends News['type']>(type: T): Promise<readonly Extract<News, { type: T }>[]> {
    const all = await page.evaluate<readonly News[]>('window.news');
    return all.filter((one): one is Extract<News, { type: T }> => one.type === type);
  }

  async function open(view: { readonly width: number; readonly scheme: 'light' | 'dark' }): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width: view.width, height: 900 },
      colorScheme: view.scheme,
      acceptDownloads: true,
    });
    const opened = await context.newPage();
    await opened.addInitScript(`
      window.news = [];
      const Plain = window.Worker;
      window.Worker = class extends Plain {
        constructor(...args) {
          super(...args);
          this.addEventListener('message', ({ data }) => window.news.push({ ...data, files: undefined }));
        }
      };
    `);
    opened.on('request', (request) => requests.push(request.url()));
    opened.on('console', (message) => complaints.push(message.text()));
    opened.on('pageerror', (error) => complaints.push(String(error)));
    await opened.goto(server.url);
    return opened;
  }

  const status = (wanted: string): Promise<unknown> =>
    page.waitForFunction(`document.querySelector('#status').textContent.includes(${JSON.stringify(wanted)})`);

  beforeAll(async () => {
    [server, browser] = [await serve(site), await openBrowser()];
    page = await open({ width: 1280, scheme: 'light' });
    await status('Ready');
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it('starts from static files alone', () => {
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(server.url) && !url.startsWith('data:'))).toEqual([]);
    expect(requests).toContain(`${server.url}model/onnx/model.onnx`);
    expect(requests).toContain(`${server.url}ort/ort-wasm-simd-threaded.wasm`);
  });

  it('trains: the loss falls, accuracy rises, and the page is alive meanwhile', async () => {
    await page.evaluate(`
      window.captions = new Set();
      new MutationObserver(() => window.captions.add(document.querySelector('#caption').textContent))
        .observe(document.querySelector('#caption'), { childList: true });
    `);
    await page.click('#start');
    await status('Trained in');
    const losses = (await news('step')).map(({ point }) => point.loss);
    expect(losses).toHaveLength(Math.ceil(mails.train.length / 16) * DEFAULTS.epochs);
    const mean = (some: readonly number[]): number => some.reduce((sum, loss) => sum + loss, 0) / some.length;
    expect(mean(losses.slice(-10))).toBeLessThan(mean(losses.slice(0, 10)) / 2);
    // It drew most steps, not only the last.
    expect(await page.evaluate('window.captions.size')).toBeGreaterThan(losses.length / 2);
    const [{ before, after }] = (await news('trained')) as [Extract<News, { type: 'trained' }>];
    expect(before.accuracy.value).toBeLessThan(0.5);
    expect(after.accuracy.value).toBeGreaterThan(0.85);
    expect(await page.textContent('#before')).toBe(`${(100 * before.accuracy.value).toFixed(1)} %`);
    expect(await page.textContent('#after')).toBe(`${(100 * after.accuracy.value).toFixed(1)} %`);
    expect(await page.textContent('#chart title')).toBe(
      `Loss after ${losses.length} steps: ${losses.at(-1)?.toFixed(3)}`,
    );
  });

  describe('beside Node', () => {
    let backend: Backend;
    let adapter: string;
    beforeAll(async () => {
      backend = await onnxBackend({ threads: 1 });
      adapter = join(folder, 'adapter');
      await mkdir(adapter);
      for (const id of ['weights', 'config']) {
        const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#${id}`)]);
        await download.saveAs(join(adapter, download.suggestedFilename()));
      }
    });
    afterAll(() => backend.close());

    it('has the same curve', async () => {
      const stage = await openJob({ backend, root: site, mails, settings: DEFAULTS });
      const { curve } = await stage.train();
      const losses = (await news('step')).map(({ point }) => point.loss);
      expect(losses).toHaveLength(curve.length);
      const apart = Math.max(...curve.map(({ loss }, i) => Math.abs(loss - (losses[i] as number))));
      expect(apart).toBeLessThan(1e-3);
    });

    it('gives an adapter that is the trained model there', async () => {
      const bytes = await readFile(join(adapter, 'adapter_model.safetensors'));
      const { tensors } = await readSafetensors(memorySource(bytes));
      expect([...tensors.keys()].filter((name) => name.includes('lora_A'))).toHaveLength(7);
      expect([...tensors.keys()].filter((name) => name.endsWith('classifier.weight'))).toHaveLength(1);
      const stage = await openStage({
        backend,
        root: site,
        plugins: [
          tokenizer({ from: 'model' }),
          onnxModel({ from: 'model' }),
          textClassification(),
          lora({ from: adapter }),
        ],
        dataset: { splits: { ...mails }, report: { rowsIn: 0, dropped: {}, samples: [], splits: {} } },
      });
      const measured: Metrics = await stage.evaluate(mails.test);
      const [{ after }] = (await news('trained')) as [Extract<News, { type: 'trained' }>];
      expect(measured['accuracy']?.value).toBe(after.accuracy.value);
      expect(measured['logLoss']?.value).toBeCloseTo(after.logLoss.value, 4);
    });
  });

  it('predicts what is typed', async () => {
    const spam = mails.test.find(({ label }) => label === 'spam');
    await page.fill('#mail', spam?.text ?? '');
    await page.waitForSelector('#scores tr');
    const shares = await page
      .locator('#scores meter')
      .evaluateAll((all) => all.map((one) => (one as { value?: number }).value ?? 0));
    expect(shares).toHaveLength(3);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 4);
    await page.fill('#mail', '');
    await page.waitForSelector('#scores', { state: 'hidden' });
  });

  it('learns from mails that are added, and stops when told', async () => {
    await page.fill('#text', 'Subject: Lunch\n\nShall we meet at noon?');
    await page.selectOption('#label', 'personal');
    await page.click('#add button');
    expect(await page.textContent('#counts')).toMatch(/^301 mails: 101 personal, 100 newsletter, 100 spam/);
    await page.selectOption('#list li:nth-child(1) select', 'spam');
    expect(await page.textContent('#counts')).toMatch(/^301 mails: 100 personal, 100 newsletter, 101 spam/);

    const steps = (await news('step')).length;
    await page.click('#start');
    await page.waitForFunction(`window.news.filter(({ type }) => type === 'step').length > ${steps}`);
    await page.click('#stop');
    await status('Stopped');
    const [, started] = await news('started');
    expect((await news('step')).length - steps).toBeLessThan(started?.steps ?? 0);
    expect(await page.isEnabled('#start')).toBe(true);
    expect(await page.isHidden('#stop')).toBe(true);
    expect(complaints).toEqual([]);
  });

  it.each(VIEWS)('has nothing that axe-core finds fault with: $width px, $scheme', async ({ width, scheme }) => {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    await page.fill('#mail', 'Lunch at noon?');
    await page.waitForSelector('#scores tr');
    if ((await page.evaluate('typeof axe')) === 'undefined') {
      const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
      await page.addScriptTag({ content: await readFile(axe, 'utf8') });
    }
    const found = await page.evaluate<AxeResults>('axe.run(document, { resultTypes: ["violations"] })');
    expect(
      found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`),
    ).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });

  it('can be used by keyboard: the first stop skips to training', async () => {
    await page.evaluate('document.activeElement.blur(); window.scrollTo(0, 0)');
    await page.focus('.skip');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('location.hash')).toBe('#train');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('epochs');
  });

  it('says what is missing', async () => {
    const [context] = [await browser.newContext()];
    const broken = await context.newPage();
    await broken.route('**/model/onnx/model.onnx', (route) => route.fulfill({ status: 404 }));
    await broken.goto(server.url);
    await broken.waitForSelector('#status.failed');
    expect(await broken.textContent('#status')).toContain('there is no ONNX model');
    await broken.route('**/mails.json', (route) => route.fulfill({ status: 503 }));
    await broken.goto(server.url);
    await broken.waitForSelector('#status.failed');
    expect(await broken.textContent('#status')).toBe('The mails cannot be fetched: the server answers 503');
    await context.close();
  });
});
