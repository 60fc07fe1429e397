// Takes the pictures of docs/images from the report that the tests use; Chromium is needed:
// node --conditions=@anneal/source --import ./scripts/source.mjs e2e/report/screenshots.ts
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { renderHtml } from '../../packages/core/src/report/html.ts';
import { fixtureReport } from '../../packages/core/test/report/fixture.ts';
import { openBrowser, type View } from './browser.ts';

interface Shot extends View {
  readonly file: string;
  readonly height: number;
  /** What stands at the top of the picture; the page's top when absent. */
  readonly at?: string;
}

const SHOTS: readonly Shot[] = [
  { file: 'report.png', width: 1280, height: 1000, scheme: 'light' },
  { file: 'report-dark.png', width: 1280, height: 1000, scheme: 'dark', at: '#training' },
  { file: 'report-figures.png', width: 1280, height: 1000, scheme: 'light', at: '#figures' },
  { file: 'report-phone.png', width: 390, height: 844, scheme: 'light' },
];

const images = fileURLToPath(new URL('../../docs/images', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'anneal-shots-'));
const browser = await openBrowser();
try {
  await mkdir(images, { recursive: true });
  const html = join(folder, 'report.html');
  await writeFile(html, renderHtml(fixtureReport()));
  for (const { file, width, height, scheme, at } of SHOTS) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    const page = await context.newPage();
    await page.goto(`${pathToFileURL(html).href}${at ?? ''}`);
    await page.screenshot({ path: join(images, file), animations: 'disabled' });
    await context.close();
  }
} finally {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
}
