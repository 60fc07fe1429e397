// Takes docs/images/browser-lora.png, with the page in dist/ and Chromium:
// node --conditions=@anneal/source --import ./scripts/source.mjs examples/browser-lora/test/screenshots.ts
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { openBrowser } from '../../../e2e/report/browser.ts';
import type { Mails } from '../src/mails.ts';
import { serve } from './serve.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const server = await serve(at('../dist'));
const browser = await openBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
  await page.goto(server.url);
  await page.click('#start:enabled', { timeout: 60_000 });
  await page.waitForSelector('#files:visible', { timeout: 120_000 });
  const { test } = JSON.parse(await readFile(at('../dist/mails.json'), 'utf8')) as Mails;
  await page.fill('#mail', test.find(({ label }) => label === 'newsletter')?.text ?? '');
  await page.waitForSelector('#scores:visible');
  await page.evaluate('document.activeElement.blur(), document.querySelector("#mail").scrollTo(0, 0)');
  await page.screenshot({ path: at('../../../docs/images/browser-lora.png'), fullPage: true, animations: 'disabled' });
} finally {
  await browser.close();
  server.close();
}
