import { existsSync } from 'node:fs';

import { type Browser, chromium } from 'playwright-core';

/** Chromium as Debian installs it, or what `CHROMIUM_PATH` names. */
export const CHROMIUM: string = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

export const hasChromium: boolean = existsSync(CHROMIUM);

/** Without the services that Chromium looks for on a network, and without its sandbox, which root cannot have. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface View {
  readonly width: number;
  readonly scheme: 'light' | 'dark';
}

/** A desktop and a phone, in both colour schemes. */
export const VIEWS: readonly View[] = [1280, 390].flatMap((width) =>
  (['light', 'dark'] as const).map((scheme) => ({ width, scheme })),
);
