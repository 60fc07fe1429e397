import type { Report } from '../../types.ts';
import { html, type Html } from '../markup.ts';

/** A part of the page with a heading and a place in the list of contents. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

/** Writes a section, or nothing when the report has nothing for it. */
export type Part = (report: Report) => Section | undefined;

export function sectionHtml({ id, title, body }: Section): Html {
  return html`<section id="${id}" aria-labelledby="${id}-h">
    <h2 id="${id}-h">${title}</h2>
    ${body}
  </section>`;
}
