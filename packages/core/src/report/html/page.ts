import { createHash } from 'node:crypto';

import { said, html, verbatim, type Content, type Html } from './markup.ts';
import { type Section, sectionHtml } from './parts/section.ts';
import { STYLE } from './style.ts';
import { clip } from './text.ts';

export interface Page {
  readonly title: string;
  /** What stands above the contents: name, verdict, when and with what. */
  readonly top: Content;
  /** Before the sections, without a place in the list of contents. */
  readonly lead: Content;
  readonly sections: readonly Section[];
}

/**
 * One file that works without scripts and without a network, and says so to the browser: nothing may be loaded or run,
 * and the only style sheet is the one whose hash is named.
 */
export function pageHtml({ title, top, lead, sections }: Page): Html {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const links = sections.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li>`);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <meta name="generator" content="Anneal" />
        <link rel="icon" href="data:," />
        <title>${clip(title, 200)}</title>
        ${verbatim(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the results</a>
        <header>${top}</header>
        <nav aria-label="Contents">
          <ul>
            ${links}
          </ul>
        </nav>
        <main id="main">${lead} ${sections.map(sectionHtml)}</main>
        <footer>
          <p>
            Written by Anneal for ${said(clip(title, 120))}. Every number on this page was measured by the build; what
            was not is marked so.
          </p>
        </footer>
      </body>
    </html> `;
}
