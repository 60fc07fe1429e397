import { readFileSync, statSync } from 'node:fs';
import { marked, type Tokens } from 'marked';
import { describe, expect, it } from 'vitest';

import { fixtureReport } from './fixture.ts';

const page = new URL('../../../../docs/reference/report.md', import.meta.url);
const markdown = readFileSync(page, 'utf8');

/** Names in the first column of the tables, by heading. */
function documented(): Map<string, readonly string[]> {
  const sections = new Map<string, readonly string[]>();
  let heading = '';
  for (const token of marked.lexer(markdown)) {
    if (token.type === 'heading') heading = (token as Tokens.Heading).text;
    if (token.type !== 'table') continue;
    const names = (token as Tokens.Table).rows.flatMap(([cell]) =>
      (cell?.tokens ?? []).flatMap((own) => (own.type === 'codespan' ? [(own as Tokens.Codespan).text] : [])),
    );
    sections.set(heading, [...(sections.get(heading) ?? []), ...names]);
  }
  return sections;
}

type Fields = Readonly<Record<string, unknown>>;

/** Names of the fields of all values: `curve`, `curve[].step`, `best.value`; not those below `free`. */
function fieldsOf(values: readonly unknown[], free: readonly string[] = [], prefix: string = ''): string[] {
  const names = values.flatMap((value) =>
    Object.entries(value as Fields).flatMap(([key, own]) => {
      const name = prefix + key;
      if (free.includes(name) || typeof own !== 'object' || own === null) return [name];
      if (!Array.isArray(own)) return [name, ...fieldsOf([own], free, `${name}.`)];
      const items = own.filter((item) => typeof item === 'object' && item !== null && !Array.isArray(item));
      return [name, ...fieldsOf(items, free, `${name}[].`)];
    }),
  );
  return [...new Set(names)].toSorted();
}

describe('docs/reference/report.md', () => {
  // The fixture's type demands every field, optional ones too; so these are all fields of the type.
  const report = fixtureReport({ steps: 3 });
  const { before, after } = report.metrics;
  const metrics: readonly unknown[] = [...Object.values<unknown>(before), ...Object.values<unknown>(after)];
  const figures: readonly unknown[] = [
    ...Object.values<unknown>(report.figures.before),
    ...Object.values<unknown>(report.figures.after),
    ...Object.values(report.audit).flatMap((section) => Object.values(section.figures)),
  ];
  const costs = Object.keys(after).filter((name) => typeof (after as Fields)[name] === 'number');

  it.each<readonly [string, readonly string[]]>([
    ['Report', Object.keys(report)],
    ['data', fieldsOf([report.data], ['dropped', 'samples', 'splits', 'details'])],
    ['train', fieldsOf(report.train, ['validation[].metrics'])],
    ['metrics', [...Object.keys(report.metrics), ...costs]],
    ['Metric', fieldsOf(metrics.filter((own) => typeof own === 'object'))],
    ['figures', fieldsOf(figures)],
    ['checks', fieldsOf(report.checks)],
    ['audit', fieldsOf(Object.values(report.audit), ['metrics', 'figures', 'samples'])],
    ['gates', fieldsOf(report.gates)],
    ['timings', fieldsOf(report.timings)],
    ['environment', fieldsOf([report.environment])],
  ])('describes every field of %s, and no other', (section, fields) => {
    expect(documented().get(section)?.toSorted()).toEqual([...fields].toSorted());
  });

  it('shows pictures that are there, and small', () => {
    const pictures = [...markdown.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, path]) => path ?? '');
    expect(pictures.length).toBeGreaterThan(0);
    for (const path of pictures) expect(statSync(new URL(path, page)).size).toBeLessThan(150_000);
  });

  it('has a section for every field that is an object', () => {
    const headings = marked
      .lexer(markdown)
      .flatMap((token) => (token.type === 'heading' ? [(token as Tokens.Heading).text] : []));
    for (const [, anchor] of markdown.matchAll(/\]\(#([^)]+)\)/g)) {
      expect(headings.map((text) => text.toLowerCase())).toContain(anchor);
    }
  });
});
