import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';

/** Packages with source files that people wrote, at the versions that package.json names. */
const PACKAGES = ['@types/node', 'bootstrap', 'leveldown', 'node-expat', 'node-gyp'] as const;

/** Classes of the model by the ending of a file. */
const LANGUAGES: Readonly<Record<string, string>> = {
  '.c': 'c',
  '.cc': 'cpp',
  '.cpp': 'cpp',
  '.js': 'js',
  '.json': 'json',
  '.md': 'md',
  '.py': 'py',
  '.ts': 'ts',
};

/** Made by programs, or for them. */
const GENERATED = /\.min\.|^dist\/|node_modules/;
const MIN_BYTES = 200;
const MAX_BYTES = 200_000;

type SourceFile = { readonly id: string; readonly text: string; readonly label: string };

const require = createRequire(import.meta.url);

/** Source files of the packages, labelled by their endings, in the order of their paths. */
export function corpus(): SourceFile[] {
  return PACKAGES.flatMap((name) => {
    const home = require.resolve.paths(name)!.map((path) => join(path, name));
    const folder = home.find((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)!;
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      .sort()
      .flatMap((path): SourceFile[] => {
        const label = LANGUAGES[extname(path)];
        if (label === undefined || GENERATED.test(path)) return [];
        const { size } = statSync(join(folder, path));
        if (size < MIN_BYTES || size > MAX_BYTES) return [];
        return [{ id: `${name}/${path}`, text: readFileSync(join(folder, path), 'utf8'), label }];
      });
  });
}
