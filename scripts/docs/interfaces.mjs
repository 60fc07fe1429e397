// Interfaces of TypeScript sources with their doc comments, read without a type checker.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root, walk } from '../workspace.mjs';

/** @typedef {{ name: string, type: string, node: ts.TypeNode | undefined, doc: string, fallback: string | undefined }} Member */
/** @typedef {{ name: string, doc: string, bases: string[], members: Member[] }} Interface */

/** `{@link Foo}` → `Foo`, on one line. */
const oneLine = (text) =>
  text
    .replaceAll(/\{@link ([^}|]+)(?:\|[^}]*)?\}/g, '`$1`')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();

/** @param {ts.Node} node */
function docOf(node) {
  const [comment] = ts.getJSDocCommentsAndTags(node);
  const tags = ts.getJSDocTags(node);
  const tagText = (name) => {
    const tag = tags.find(({ tagName }) => tagName.text === name);
    return tag === undefined ? undefined : oneLine(ts.getTextOfJSDocComment(tag.comment) ?? '');
  };
  const text = comment !== undefined && ts.isJSDoc(comment) ? (ts.getTextOfJSDocComment(comment.comment) ?? '') : '';
  return { doc: oneLine(text), fallback: tagText('defaultValue') };
}

/** @param {ts.InterfaceDeclaration | ts.TypeLiteralNode} node */
export const membersOf = (node, source) =>
  node.members
    .filter((member) => ts.isPropertySignature(member) || ts.isMethodSignature(member))
    .map((member) => {
      const isMethod = ts.isMethodSignature(member);
      const parameters = isMethod ? member.parameters.map((one) => one.getText(source)).join(', ') : '';
      const type = member.type?.getText(source) ?? 'unknown';
      return {
        name: member.name.getText(source),
        type: isMethod ? `(${parameters}) => ${type}` : type.replace(/ \| undefined$/, ''),
        node: isMethod ? undefined : member.type,
        ...docOf(member),
      };
    });

/**
 * All interfaces of a package by name.
 *
 * @param {string} folder relative to the root, e.g. `packages/core`
 * @returns {ReadonlyMap<string, Interface & { source: ts.SourceFile }>}
 */
export function interfacesOf(folder) {
  const found = new Map();
  for (const file of walk(join(root, folder, 'src'))) {
    if (!file.endsWith('.ts') || file.endsWith('_pb.ts')) continue;
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true);
    for (const node of source.statements) {
      if (!ts.isInterfaceDeclaration(node)) continue;
      const bases = (node.heritageClauses ?? []).flatMap(({ types }) =>
        types.map((type) => type.expression.getText(source)),
      );
      found.set(node.name.text, {
        name: node.name.text,
        bases,
        members: membersOf(node, source),
        source,
        ...docOf(node),
      });
    }
  }
  return found;
}
