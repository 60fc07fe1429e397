import { type DefaultTreeAdapterTypes, parse } from 'parse5';

export type Element = DefaultTreeAdapterTypes.Element;
type Node = DefaultTreeAdapterTypes.ChildNode;

/** A page as a browser's parser reads it. */
export interface ParsedPage {
  /** Codes of the HTML standard's parse errors. */
  readonly errors: readonly string[];
  readonly elements: readonly Element[];
}

export function parsePage(text: string): ParsedPage {
  const errors: string[] = [];
  const document = parse(text, { sourceCodeLocationInfo: true, onParseError: ({ code }) => errors.push(code) });
  return { errors, elements: document.childNodes.flatMap(elementsOf) };
}

function elementsOf(node: Node): Element[] {
  return 'tagName' in node ? [node, ...node.childNodes.flatMap(elementsOf)] : [];
}

export function textOf(node: Node): string {
  if (node.nodeName === '#text') return (node as DefaultTreeAdapterTypes.TextNode).value;
  return 'childNodes' in node ? node.childNodes.map(textOf).join('') : '';
}

export function descendants(element: Element): readonly Element[] {
  return element.childNodes.flatMap(elementsOf);
}

/** The first of a list that must not be empty. */
export function first<T>(list: readonly T[]): T {
  if (list[0] === undefined) throw new Error('there is none');
  return list[0];
}

export function attribute({ attrs }: Element, name: string): string | undefined {
  return attrs.find((own) => own.name === name)?.value;
}

export function byTag({ elements }: ParsedPage, tag: string): readonly Element[] {
  return elements.filter(({ tagName }) => tagName === tag);
}

export function byClass({ elements }: ParsedPage, name: string): readonly Element[] {
  return elements.filter((element) => (attribute(element, 'class') ?? '').split(' ').includes(name));
}

/** Visible text of the section of this id, spaces made one. */
export function sectionText(page: ParsedPage, id: string): string | undefined {
  const found = page.elements.find((element) => attribute(element, 'id') === id);
  return found && textOf(found).replaceAll(/\s+/g, ' ').trim();
}

/** Tags and names of attributes in the order of the page: what text must not change. */
export function skeleton({ elements }: ParsedPage): readonly string[] {
  return elements.map(
    ({ tagName, attrs }) =>
      `${tagName} ${attrs
        .map(({ name }) => name)
        .toSorted()
        .join(' ')}`,
  );
}
