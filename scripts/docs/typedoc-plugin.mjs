// Pages take their title from their first heading and their section from contents.mjs, so that the Markdown files need
// nothing that other readers of Markdown would show. Addresses follow the files, so that a new title breaks no link.
import { dirname, join, relative } from 'node:path';
import { Application, Comment, CommentTag, Converter, KindRouter, ReflectionKind } from 'typedoc';
import { root } from '../workspace.mjs';
import { CONTENTS, libraries } from './contents.mjs';

const SECTIONS = new Map(Object.entries(CONTENTS).flatMap(([name, files]) => files.map((file) => [file, name])));

/** `docs/guides/start.md` → `guides/start`, `packages/plugins/lora/README.md` → `techniques/lora`. */
const addressOf = (file) =>
  file
    .replace(/^docs\//, '')
    .replace(/^packages\/plugins\//, 'techniques/')
    .replace(/(\/README)?\.md$/, '');

/** @type {WeakMap<import('typedoc').Reflection, string>} */
const addresses = new WeakMap();

class Router extends KindRouter {
  getIdealBaseName(reflection) {
    return addresses.get(reflection) ?? super.getIdealBaseName(reflection);
  }
}

const isDocumented = (reflection) =>
  reflection.hasComment() ||
  (reflection.signatures?.length > 0 && reflection.signatures.every((one) => one.hasComment()));

/**
 * Exports, and members of exported interfaces and classes, without a comment. TypeDoc's own check also asks for one on
 * every field of a type that has no name, which is described where it stands.
 */
function* undocumented(project) {
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    for (const item of module.children ?? []) {
      if (item.isReference()) continue;
      if (!isDocumented(item)) yield item;
      if (!item.kindOf(ReflectionKind.ClassOrInterface)) continue;
      for (const member of item.children ?? []) {
        if (member.inheritedFrom !== undefined || member.kindOf(ReflectionKind.Constructor | ReflectionKind.Accessor))
          continue;
        if (!isDocumented(member)) yield member;
      }
    }
  }
}

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.renderer.defineRouter('anneal', Router);

  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, page) => {
    const file = relative(root, page.project.files.getReflectionPath(page)).replaceAll('\\', '/');
    const heading = /^# (.+)$/m.exec(page.content.map(({ text }) => text).join(''))?.[1];
    if (heading === undefined) app.logger.error(`${file} has no heading`);
    page.name = heading?.replaceAll('`', '').replace('@anneal/plugin-', '') ?? file;
    page.frontmatter.group = SECTIONS.get(file);
    addresses.set(page, addressOf(file));
  });

  // Before the groups are made.
  app.on(
    Application.EVENT_PROJECT_REVIVE,
    (project) => {
      for (const page of project.documents ?? []) {
        const file = project.files.getReflectionPath(page);
        if (file.endsWith('/README.md')) project.files.registerReflectionPath(dirname(file), page);
      }
      for (const child of project.getChildrenByKind(ReflectionKind.Module)) {
        // A link to a folder leads to what its README became.
        const dir = libraries.find(({ manifest }) => manifest.name === child.name)?.dir;
        if (dir !== undefined) project.files.registerReflectionPath(join(root, dir), child);
        // READMEs of plugins are pages of their own.
        if (child.name.startsWith('@anneal/plugin-')) delete child.readme;
        child.comment ??= new Comment();
        child.comment.blockTags.push(new CommentTag('@group', [{ kind: 'text', text: 'Packages' }]));
      }
    },
    1000,
  );

  app.on(Application.EVENT_VALIDATE_PROJECT, (project) => {
    for (const item of undocumented(project))
      app.logger.validationWarning(`${item.getFriendlyFullName()} has no documentation`);
  });
}
