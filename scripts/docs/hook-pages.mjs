// The lists of hooks on the pages of docs/hooks, from the interfaces that plugins are compiled against.
import ts from 'typescript';
import { interfacesOf, membersOf } from './interfaces.mjs';

const START = '<!-- hooks: written by scripts/docs-gen.mjs from packages/core/src/hooks/types.ts -->';
const END = '<!-- end of hooks -->';

/** What a tap of each kind is, given the text of its parameters and of its result. */
const KINDS = {
  BailHook: (args, result) => [`(${args}) => ${result} | undefined`, 'The first answer wins. May be asynchronous.'],
  SyncBailHook: (args, result) => [`(${args}) => ${result} | undefined`, 'The first answer wins. Synchronous.'],
  WaterfallHook: (value, context) => [
    `(value: ${value}, ctx: ${context}) => ${value} | undefined`,
    'Each tap gets what the one before returned; `undefined` keeps it. May be asynchronous.',
  ],
  SyncWaterfallHook: (value, context) => [
    `(value: ${value}, ctx: ${context}) => ${value} | undefined`,
    'Each tap gets what the one before returned; `undefined` keeps it. Synchronous.',
  ],
  SeriesHook: (args) => [`(${args}) => void`, 'Awaited one after the other.'],
  ParallelHook: (args) => [`(${args}) => void`, 'All at once; they only read.'],
  SyncHook: (args) => [`(${args}) => void`, 'Synchronous; what it returns is ignored.'],
};

const cell = (text) => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');

function hookSection(group, { name, node, doc }, source) {
  if (!ts.isTypeReferenceNode(node)) throw new Error(`${group}.${name} is no hook`);
  const kind = KINDS[node.typeName.getText(source)];
  if (kind === undefined) throw new Error(`${group}.${name} is of a kind that has no description`);
  const args = (node.typeArguments ?? []).map((type) => type.getText(source).replaceAll(/\s*\n\s*/g, ' '));
  const [signature, how] = kind(...args.map((text) => text.replace(/^\[(.*)\]$/, '$1')));
  if (doc === '') throw new Error(`${group}.${name} has no description`);
  const types = [...new Set(args.flatMap((text) => text.match(/\b[A-Z]\w+/g) ?? []))];
  return {
    text: [`### ${group}.${name}`, doc, `\`${signature}\``, how].join('\n\n'),
    types,
  };
}

/** What taps are given: fields of the contexts in the signatures, those that they extend included. */
function contextTables(names, types) {
  const contexts = names.filter((name) => name.endsWith('Context') && types.has(name));
  const seen = new Set();
  const tables = [];
  const visit = (name) => {
    const type = types.get(name);
    if (type === undefined || seen.has(name)) return;
    seen.add(name);
    const rows = type.members.map(
      ({ name: field, type: text, doc }) => `| \`${field}\` | \`${cell(text)}\` | ${cell(doc)} |`,
    );
    const also = type.bases.length > 0 ? `All of ${type.bases.map((base) => `\`${base}\``).join(', ')}, and:` : '';
    tables.push(
      [`### ${name}`, type.doc, also, ['| field | type | |', '| --- | --- | --- |', ...rows].join('\n')]
        .filter(Boolean)
        .join('\n\n'),
    );
    type.bases.forEach(visit);
  };
  contexts.forEach(visit);
  return tables;
}

/** @returns {Map<string, string>} the generated part of the page of every group */
export function hookLists() {
  const types = interfacesOf('packages/core');
  const hooks = types.get('Hooks');
  return new Map(
    hooks.members.map(({ name: group, node }) => {
      const sections = membersOf(node, hooks.source).map((hook) => hookSection(group, hook, hooks.source));
      const contexts = contextTables([...new Set(sections.flatMap((section) => section.types))], types);
      const parts = ['## Hooks', ...sections.map(({ text }) => text)];
      if (contexts.length > 0) parts.push('## What taps get', ...contexts);
      return [group, [START, ...parts, END].join('\n\n')];
    }),
  );
}

/** The page with its generated part replaced. */
export function withHooks(page, list) {
  const [from, to] = [page.indexOf(START), page.indexOf(END)];
  if (from < 0 || to < from) return `${page.trimEnd()}\n\n${list}\n`;
  return `${page.slice(0, from)}${list}${page.slice(to + END.length)}`;
}
