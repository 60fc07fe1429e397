import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import type { Report } from '../../src/index.ts';
import { renderHtml } from '../../src/report/html.ts';
import { fixtureReport } from './fixture.ts';
import { attribute, byClass, byTag, descendants, first, parsePage, sectionText, textOf } from './page.ts';

const pageOf = (report: Report) => parsePage(renderHtml(report));
const text = (report: Report): string => textOf(first(byTag(pageOf(report), 'body'))).replaceAll(/\s+/g, ' ');

/** What a build writes that neither trains nor evaluates. */
const bare: Report = {
  schemaVersion: 1,
  name: 'bare',
  createdAt: '2026-03-14T09:26:53.589Z',
  warnings: [],
  data: undefined,
  train: [],
  metrics: { before: undefined, after: undefined },
  figures: {},
  baseline: {},
  checks: [],
  audit: {},
  gates: [],
  timings: [],
  environment: {},
  extra: {},
};

describe('the page', () => {
  const page = pageOf(fixtureReport());

  it('is HTML without errors', () => {
    expect(page.errors).toEqual([]);
    expect(pageOf(bare).errors).toEqual([]);
  });

  it('is the same for the same report', () => {
    expect(renderHtml(fixtureReport())).toBe(renderHtml(fixtureReport()));
  });

  it('loads and runs nothing, and forbids it', () => {
    expect(byTag(page, 'script')).toEqual([]);
    const links = page.elements.flatMap(({ attrs }) =>
      attrs.filter(({ name }) => ['href', 'src', 'srcset', 'action'].includes(name)),
    );
    expect(links.map(({ value }) => value).filter((value) => !/^#[a-z]+$|^data:,$/.test(value))).toEqual([]);
    const style = first(byTag(page, 'style'));
    const hash = createHash('sha256').update(textOf(style)).digest('base64');
    const policies = page.elements.filter((element) => attribute(element, 'http-equiv') === 'Content-Security-Policy');
    expect(attribute(first(policies), 'content')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(textOf(style)).not.toMatch(/url\(|@import|expression/);
    // The policy lets no style attribute work: none may be relied on.
    expect(page.elements.filter((element) => attribute(element, 'style') !== undefined)).toEqual([]);
  });

  it('has one heading of level 1, skips no level, and lists its sections', () => {
    const levels = page.elements.flatMap(({ tagName }) => (/^h[1-6]$/.test(tagName) ? [Number(tagName[1])] : []));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    expect(levels.filter((level, i) => i > 0 && level > (levels[i - 1] as number) + 1)).toEqual([]);
    const listed = byTag(page, 'a').flatMap((link) => attribute(link, 'href') ?? []);
    const ids = byTag(page, 'section').flatMap((section) => attribute(section, 'id') ?? []);
    expect(listed).toEqual(['#main', ...ids.map((id) => `#${id}`)]);
    expect(ids).toEqual([
      'results',
      'gates',
      'training',
      'figures',
      'audits',
      'checks',
      'data',
      'timings',
      'extra',
      'environment',
      'raw',
    ]);
  });

  it('has landmarks, and references that lead somewhere', () => {
    for (const tag of ['header', 'nav', 'main', 'footer']) expect(byTag(page, tag), tag).toHaveLength(1);
    const ids = page.elements.flatMap((element) => attribute(element, 'id') ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const references = page.elements.flatMap((element) =>
      (attribute(element, 'aria-labelledby') ?? '').split(' ').filter(Boolean),
    );
    expect(references.length).toBeGreaterThan(20);
    expect(references.filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('gives every table a caption and scoped headers that say something', () => {
    const tables = byTag(page, 'table');
    expect(tables.length).toBeGreaterThan(10);
    for (const table of tables) {
      const inside = descendants(table);
      const caption = first(inside.filter(({ tagName }) => tagName === 'caption'));
      expect(textOf(caption).trim()).not.toBe('');
      const headers = inside.filter(({ tagName }) => tagName === 'th');
      expect(headers.filter((header) => !['row', 'col'].includes(attribute(header, 'scope') ?? ''))).toEqual([]);
      expect(headers.filter((header) => textOf(header).trim() === '')).toEqual([]);
      const rows = inside.filter(({ tagName }) => tagName === 'tr').map((row) => row.childNodes.length);
      expect(new Set(rows).size, 'cells in each row').toBe(1);
    }
  });

  it('gives every chart a title and a description', () => {
    const charts = byClass(page, 'chart');
    expect(charts.length).toBeGreaterThan(10);
    for (const chart of charts) {
      expect(attribute(chart, 'role')).toBe('img');
      const own = (tag: string) => first(descendants(chart).filter(({ tagName }) => tagName === tag));
      expect(textOf(own('title'))).not.toBe('');
      expect(textOf(own('desc'))).toMatch(/\d/);
    }
  });
});

describe('sections', () => {
  it('are absent where the report has nothing for them', () => {
    const page = pageOf(bare);
    expect(byTag(page, 'section').map((section) => attribute(section, 'id'))).toEqual(['raw']);
    expect(byClass(page, 'cards')).toEqual([]);
    expect(byClass(page, 'warnings')).toEqual([]);
    expect(byTag(page, 'table')).toEqual([]);
    expect(text(bare)).toContain('Not judged');
  });

  it('say whether the gates accept the model', () => {
    const report = fixtureReport();
    expect(text(report)).toContain('Not accepted 1 of 4 gates is not met.');
    const gates = report.gates.map((gate) => ({ ...gate, passed: true }));
    expect(text({ ...report, gates })).toContain('Accepted All 4 gates are met.');
    expect(text({ ...report, gates: gates.slice(0, 1) })).toContain('Accepted The gate is met.');
  });

  it('put warnings first, with failed checks that no warning speaks of', () => {
    const report = { ...fixtureReport(), warnings: ['int8 is `slower`'] };
    const warnings = first(byClass(pageOf(report), 'warnings'));
    const items = descendants(warnings).filter(({ tagName }) => tagName === 'li');
    expect(items.map(textOf)).toEqual([
      'int8 is slower',
      'compressed model is not slower for batches: 834.2 → 791.6 rows/s',
    ]);
    expect(descendants(first(items)).some(({ tagName }) => tagName === 'code')).toBe(true);
    // The fixture's own warning quotes the check's message: it is not said twice.
    const own = first(byClass(pageOf(fixtureReport()), 'warnings'));
    expect(descendants(own).filter(({ tagName }) => tagName === 'li')).toHaveLength(2);
  });

  it('mark better and worse by sign and word', () => {
    const results = sectionText(pageOf(fixtureReport()), 'results');
    expect(results).toContain('Accuracy0.97620.9696–0.98210.97440.9675–0.9806▽ worse −0.0018 within interval');
    expect(results).toContain('Throughput834/s792/s▼ worse −5.1 %');
    expect(results).toContain('Size5.90 MB1.66 MB▲ better −72 %');
    expect(results).toContain('Brier score0.03030.0172–0.04440.03030.0172–0.0444= same');
    // Less is better for a loss.
    const report = fixtureReport();
    const after = { ...report.metrics.after, logLoss: { value: 0.05 } };
    expect(sectionText(pageOf({ ...report, metrics: { before: report.metrics.before, after } }), 'results')).toContain(
      '▲ better −0.0752',
    );
  });

  it('show simple methods beside the model and mark the best', () => {
    const best = byClass(pageOf(fixtureReport()), 'best').map((cell) => textOf(cell).slice(0, 6));
    expect(best).toEqual([
      '0.0303',
      '0.9762',
      '0.0303',
      '0.9694',
      '0.9477',
      '0.9584',
      '0.9959',
      '0.0279',
      '0.1212',
      '0.0303',
    ]);
  });

  it('show one variant alone when nothing compresses', () => {
    const report = fixtureReport();
    const alone = pageOf({
      ...report,
      metrics: { before: report.metrics.before, after: undefined },
      figures: { before: report.figures.before },
    });
    expect(alone.errors).toEqual([]);
    const results = sectionText(alone, 'results');
    expect(results).toContain('Quality and cost');
    expect(results).not.toMatch(/Compressed|better −|worse −/);
    expect(sectionText(alone, 'figures')).not.toContain('Full precision');
  });

  it('read "not measured" for NaN, and for the null that JSON makes of it', () => {
    const report = fixtureReport();
    const after = { ...report.metrics.after, peakRssMb: Number.NaN, f1: { value: Number.NaN } };
    const gates = [{ metric: 'f1', condition: '>= 0.9', value: Number.NaN, passed: false }];
    const [stage] = report.train;
    const train = [{ ...stage!, tokensPerSecond: Number.NaN, validation: [{ step: 1, metrics: { f1: Number.NaN } }] }];
    const broken: Report = { ...report, metrics: { before: report.metrics.before, after }, gates, train };
    const written = JSON.parse(JSON.stringify(broken)) as Report;
    for (const own of [broken, written]) {
      const page = pageOf(own);
      expect(page.errors).toEqual([]);
      expect(sectionText(page, 'results')).toContain('Peak memory527 MiBnot measured');
      expect(sectionText(page, 'gates')).toContain('f1>= 0.9not measured✗ not met');
      expect(sectionText(page, 'training')).toContain('not measured tokens/s');
      const rest = page.elements
        .filter(({ tagName }) => tagName === 'section')
        .map((section) => (attribute(section, 'id') === 'raw' ? '' : textOf(section)));
      expect(rest.join(' ')).not.toMatch(/NaN|undefined|null|Infinity/);
    }
    expect(renderHtml(written)).toBe(renderHtml(broken));
  });

  it('draw what they can of figures with gaps', () => {
    const points = [
      [0, 1],
      [1, Number.NaN],
      [2, Number.POSITIVE_INFINITY],
      [3, 1e300],
      [4, 2],
    ] as const;
    const axes = { x: { label: 'x' }, y: { label: 'y' } };
    const figures = {
      gaps: { kind: 'line', title: 'Gaps', ...axes, series: [{ name: 'a', points }] },
      none: { kind: 'scatter', title: 'None', ...axes, series: [{ name: 'a', points: [] }] },
      one: { kind: 'bar', title: 'One', ...axes, series: [{ name: 'a', points: [[5, 0]] }] },
      flat: {
        kind: 'line',
        title: 'Flat',
        x: { label: 'x', min: 3, max: 3 },
        y: { label: 'y', min: 7, max: -7 },
        series: [
          {
            name: 'a',
            points: [
              [1, 2],
              [2, 2],
            ],
          },
        ],
      },
      empty: { kind: 'table', title: 'Empty', columns: [], rows: [] },
    } as const;
    const html = renderHtml({ ...bare, figures: { after: figures } });
    expect(parsePage(html).errors).toEqual([]);
    expect(html).not.toMatch(/="[^"]*(?:NaN|Infinity)/);
    const shown = sectionText(parsePage(html), 'figures');
    expect(shown).toContain('3 points that are no number not drawn.');
    expect(shown).toContain('This figure has no points.');
  });
});

describe('long reports', () => {
  it('stay under 1 MB with curves of 10,000 steps and figures of 10,000 points', () => {
    const report = fixtureReport({ steps: 10_000 });
    const points = Array.from({ length: 10_000 }, (_, i) => [i, Math.sin(i / 100)] as const);
    const plot = {
      kind: 'line',
      title: 'Long',
      x: { label: 'x' },
      y: { label: 'y' },
      series: [{ name: 'a', points }],
    } as const;
    const long = {
      ...report,
      figures: { before: { ...report.figures.before, plot }, after: { ...report.figures.after, plot } },
    };
    expect(JSON.stringify(long).length).toBeGreaterThan(1_500_000);
    const html = renderHtml(long);
    expect(html.length).toBeLessThan(400_000);
    expect(html).toContain('9900 more in report.json');
  });

  it('cut lists without end and say so', () => {
    const report = fixtureReport();
    const many = Array.from({ length: 3000 }, (_, i) => `warning ${i}`);
    const html = renderHtml({
      ...report,
      warnings: many,
      checks: many.map((name) => ({ name, passed: true, message: name })),
      extra: Object.fromEntries(many.map((name) => [name, { name }])),
    });
    expect(html.length).toBeLessThan(1_000_000);
    const page = parsePage(html);
    expect(page.errors).toEqual([]);
    expect(textOf(first(byClass(page, 'warnings')))).toContain('… and 2,950 more warnings in report.json.');
    expect(sectionText(page, 'checks')).toContain('… and 2,800 more rows in report.json.');
    expect(sectionText(page, 'extra')).toContain('… and 2,940 more sections in report.json.');
  });
});
