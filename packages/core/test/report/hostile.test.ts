import { seededRandom } from '@anneal/testkit';
import { marked } from 'marked';
import { describe, expect, it } from 'vitest';

import type { Report } from '../../src/index.ts';
import { renderCard } from '../../src/report/card.ts';
import { renderHtml } from '../../src/report/html.ts';
import { fixtureReport } from './fixture.ts';
import { attribute, byTag, first, parsePage, skeleton, textOf } from './page.ts';

/** Texts that leave their place when they are not escaped there. */
const HOSTILE = {
  script: '<script>alert(1)</script>',
  'end of style': '</style><script>alert(1)</script>',
  'end of title': '</title></svg></table><img src=x onerror=alert(1)>',
  'end of attribute': '" onmouseover="alert(1)" x="',
  'end of quoted attribute': "' autofocus onfocus='alert(1)",
  comment: '<!-- --!> -->',
  cdata: ']]></textarea><![CDATA[',
  entities: '&lt;script&gt; &#60;b&#62; &notit; &#x3c;',
  url: 'javascript:alert(1) data:text/html,<b> https://example.org/?q="><b>',
  template: '${alert(1)} {{constructor}} <%= 1 %>',
  prototype: '__proto__',
  constructor: 'constructor',
  'right-to-left override': 'mail\u202efdp.exe\u2066 \u202d\u2069',
  'right-to-left text': 'שלום עולם (1) مرحبا',
  control: 'a\u0000b\u0008c\u001b[31m\u007f\u0085\ufffe',
  'half a surrogate pair': 'x\ud800y\udc00',
  'long word': 'W'.repeat(20_000),
  'long emoji': '\u{1f469}\u200d\u{1f4bb}'.repeat(5000),
  'line breaks': '\n\n# heading\r\n\r\n- item\n\n    code\n\n---\n',
  markdown: '**b** _i_ [a](javascript:alert(1)) ![i](https://example.org/x.png) ~~s~~ | cell | \\| `` x <b>',
  empty: '',
  space: ' \t\n ',
};
const CASES = Object.entries(HOSTILE);

/** Every text of the report replaced, names of the type's fields kept. */
function withTexts(value: unknown, replace: (text: string, path: string) => string, path: string = ''): unknown {
  if (typeof value === 'string') return replace(value, path);
  if (Array.isArray(value)) return value.map((item) => withTexts(item, replace, `${path}.*`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, own]) => [key, withTexts(own, replace, `${path}.${key}`)]),
  );
}

/** Every name that comes from config, data or a plugin made hostile too. */
function withNames(report: Report, text: string): Report {
  const renamed = <T>(record: Readonly<Record<string, T>>): Record<string, T> => {
    const entries = Object.entries(record).map(([, value], i) => [`${text}${i === 0 ? '' : i}`, value] as const);
    return Object.fromEntries(entries);
  };
  const { data, metrics, figures, baseline, audit, environment, extra, train } = report;
  return {
    ...report,
    data: data && {
      ...data,
      dropped: renamed(data.dropped),
      splits: renamed(data.splits),
      samples: data.samples.map(renamed),
      details: { [text]: 1, splits: { [text]: { labels: { [text]: 3 } } } },
    },
    metrics: { before: renamed(metrics.before ?? {}), after: renamed(metrics.after ?? {}) },
    figures: { before: renamed(figures.before ?? {}), after: renamed(figures.after ?? {}) },
    baseline: renamed(Object.fromEntries(Object.entries(baseline).map(([name, own]) => [name, renamed(own)]))),
    audit: renamed(
      Object.fromEntries(
        Object.entries(audit).map(([name, section]) => [
          name,
          { ...section, metrics: renamed(section.metrics), figures: renamed(section.figures ?? {}) },
        ]),
      ),
    ),
    train: train.map((stage) => ({
      ...stage,
      validation: stage.validation.map((own) => ({ ...own, metrics: renamed(own.metrics) })),
    })),
    environment: renamed(environment),
    extra: renamed({ ...extra, [text]: { [text]: [text, { [text]: text }] } }),
  };
}

/** Characters that hide, or that reorder what surrounds them. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

const TAGS = new Set(
  'html head meta link title style body a header p h1 h2 h3 ul ol li nav main section div span strong small bdi code details summary dl dt dd table caption thead tbody tr th td figure figcaption svg desc line text path circle rect pre footer time'.split(
    ' ',
  ),
);
const ATTRIBUTES = new Set(
  'lang charset http-equiv content name rel href class id aria-label aria-labelledby aria-hidden role tabindex scope datetime width height viewBox preserveAspectRatio x y x1 x2 y1 y2 cx cy r rx dx dy d text-anchor'.split(
    ' ',
  ),
);

function expectHarmless(html: string): void {
  const page = parsePage(html);
  expect(page.errors).toEqual([]);
  expect([...new Set(page.elements.map(({ tagName }) => tagName))].filter((tag) => !TAGS.has(tag))).toEqual([]);
  const names = new Set(page.elements.flatMap(({ attrs }) => attrs.map(({ name }) => name)));
  expect([...names].filter((name) => !ATTRIBUTES.has(name))).toEqual([]);
  const targets = page.elements.flatMap((element) => attribute(element, 'href') ?? []);
  expect(targets.filter((target) => !/^#[a-z]+$|^data:,$/.test(target))).toEqual([]);
  expect(html).not.toMatch(UNSEEN);
  expect(html.isWellFormed()).toBe(true);
}

describe.each(CASES)('%s in a page', (_, text) => {
  const report = fixtureReport({ steps: 40 });

  it('changes no element and no attribute as the text of every field', () => {
    // Kept: names that the page knows a sign or a place for, and dates.
    const kept = (path: string): boolean => /kind$|\.better$|^\.createdAt$|\.columns|\.rows|\.best\.metric$/.test(path);
    const plain = withTexts(report, (own, path) => (kept(path) ? own : 'plain')) as Report;
    const hostile = withTexts(report, (own, path) => (kept(path) ? own : text)) as Report;
    const html = renderHtml(hostile);
    expectHarmless(html);
    // Long texts of samples have another place than short ones, backticks mark code, no method has no paragraph.
    if (text.length < 60 && !text.includes('`') && text !== '') {
      expect(skeleton(parsePage(html))).toEqual(skeleton(parsePage(renderHtml(plain))));
    }
  });

  it('stays text as a name of everything that has a name', () => {
    expectHarmless(renderHtml(withNames(report, text)));
  });

  it('stays text in every cell of a table and as a date', () => {
    const table = {
      kind: 'table',
      title: text,
      columns: [text, text],
      rows: [
        [text, text],
        [text, 1],
      ],
    } as const;
    expectHarmless(renderHtml({ ...report, createdAt: text, figures: { after: { [text]: table } } }));
  });
});

describe('hostile texts', () => {
  const nameIn = (name: string): string =>
    textOf(first(byTag(parsePage(renderHtml({ ...fixtureReport({ steps: 40 }), name })), 'h1')));

  it('are shown as they are', () => {
    expect(nameIn(HOSTILE.script)).toBe(HOSTILE.script);
    expect(nameIn(HOSTILE.entities)).toBe(HOSTILE.entities);
    expect(nameIn(HOSTILE['end of attribute'])).toBe(HOSTILE['end of attribute']);
  });

  it('are shown with what would not be seen spelled out', () => {
    expect(nameIn(HOSTILE['right-to-left override'])).toBe('mail[U+202E]fdp.exe[U+2066] [U+202D][U+2069]');
    expect(nameIn('a\u0000b\ufffe')).toBe('a[U+0000]b[U+FFFE]');
    expect(nameIn('x\ud800y')).toBe('x\ufffdy');
  });

  it('are cut where they are long, between characters', () => {
    expect(nameIn('W'.repeat(20_000))).toBe(`${'W'.repeat(199)}…`);
    expect(nameIn('\u{1f469}'.repeat(500))).toBe(`${'\u{1f469}'.repeat(99)}…`);
  });

  it('of any mixture stay text', () => {
    const random = seededRandom(7);
    const pieces = CASES.map(([, text]) => text.slice(0, 80));
    const mixture = (): string =>
      Array.from({ length: 1 + Math.floor(4 * random()) }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    for (let round = 0; round < 12; round++) {
      const mixed = withTexts(fixtureReport({ steps: 40 }), (own, path) =>
        path.endsWith('kind') ? own : mixture(),
      ) as Report;
      expectHarmless(renderHtml(withNames(mixed, mixture())));
    }
  });

  it('would be noticed', () => {
    const broken = renderHtml(fixtureReport()).replace('mail-filter</bdi></h1>', '<script>1</script></bdi></h1>');
    expect(() => {
      expectHarmless(broken);
    }).toThrow(/script/);
    expect(parsePage('<!doctype html><p a=1 a=2>').errors).not.toEqual([]);
  });
});

describe.each(CASES)('%s in a card', (_, text) => {
  const card = (report: Report, type: string): string =>
    renderCard(report, { model_type: type, architectures: ['BertForSequenceClassification'] }, [
      text,
      'onnx/model.onnx',
    ]);
  const body = (markdown: string): string => markdown.slice(markdown.indexOf('\n---\n') + 5);
  /** Tags that Markdown makes, in order; without runs of code, which backticks of prose may add. */
  const tags = (markdown: string): readonly string[] =>
    [...(marked.parse(body(markdown), { async: false }).match(/<\/?[a-z][^>]*>/gi) ?? [])].filter(
      (tag) => !/^<\/?code>$/.test(tag),
    );

  it('makes no markup', () => {
    const kept = (path: string): boolean => path.endsWith('kind');
    const replaced = (by: string) =>
      withTexts(fixtureReport({ steps: 40 }), (own, path) => (kept(path) ? own : by)) as Report;
    const [plain, hostile] = [card(replaced('plain'), 'bert'), card(replaced(text), text)];
    expect(hostile).not.toMatch(UNSEEN);
    // An empty text leaves its paragraph or emphasis out; an address becomes a link, as everywhere in GitHub's Markdown.
    if (text.trim() === '' || text.includes('https:')) return;
    expect(tags(hostile)).toEqual(tags(plain));
  });

  it('makes one line of front matter', () => {
    const front = card(fixtureReport(), text).split('\n---\n')[0] ?? '';
    expect(front.split('\n')).toHaveLength(7);
  });
});
