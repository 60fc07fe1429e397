// Links of a built site that lead nowhere.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const unescape = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"');
const all = (pattern, text) => Array.from(text.matchAll(pattern), (match) => unescape(match[1]));

function* htmlFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* htmlFiles(path);
    else if (entry.name.endsWith('.html')) yield path;
  }
}

/** What is wrong with a link, or nothing. */
function problem(file, link, idsOf) {
  if (/^(https?|data|mailto):/.test(link)) return link.startsWith('http:') ? 'is not https' : undefined;
  const [path, anchor] = link.split('#', 2).map(decodeURIComponent);
  const target = path === '' ? file : resolve(dirname(file), path.split('?')[0]);
  if (!existsSync(target)) return 'has no target';
  if (statSync(target).isDirectory()) return existsSync(join(target, 'index.html')) ? undefined : 'leads to a folder';
  if (anchor && target.endsWith('.html') && !idsOf(target).has(anchor)) return 'names a place that is not there';
  return undefined;
}

/**
 * @param {string} folder
 * @returns {{ links: number, dead: string[] }} how many links were looked at, and those that are dead, with their page
 */
export function checkLinks(folder) {
  const ids = new Map();
  const idsOf = (file) => {
    if (!ids.has(file)) ids.set(file, new Set(all(/\s(?:id|name)="([^"]+)"/g, readFileSync(file, 'utf8'))));
    return ids.get(file);
  };
  const dead = [];
  let links = 0;
  for (const file of htmlFiles(folder)) {
    // Code is escaped: quotes in it are `&quot;`.
    for (const link of new Set(all(/\s(?:href|src)="([^"]*)"/g, readFileSync(file, 'utf8')))) {
      links++;
      const why = problem(file, link, idsOf);
      if (why !== undefined) dead.push(`${relative(folder, file)}: ${link} ${why}`);
    }
  }
  return { links, dead };
}
