import { camelCase } from '../config-source.ts';
import { packageName } from '../names.ts';
import type { Template } from './types.ts';

/** The plugin of the template's files: `clip-value` in texts, `clipValue` in code, `ClipValueOptions` in types. */
const NAME = 'clip-value';
const FILES = [
  'README.md',
  'tsconfig.json',
  'tsconfig.build.json',
  'src/index.ts',
  'src/plugin.ts',
  'test/plugin.test.ts',
];

const pascalCase = (name: string): string => name.charAt(0).toUpperCase() + camelCase(name).slice(1);

/** `anneal-plugin-x`, `@acme/anneal-plugin-x` and `x` are all the plugin `x`. */
function names(answer: string): { readonly pkg: string; readonly plugin: string } {
  const [, scope = '', rest = ''] = /^(@[^/]+\/)?(.*)$/.exec(answer) ?? [];
  const plugin =
    packageName(rest)
      .replace(/^anneal-plugin-/, '')
      .replace(/^[^a-z]+/, '') || 'plugin';
  return { pkg: `${scope}anneal-plugin-${plugin}`, plugin };
}

/** A plugin that is a package of its own: one traced hook, one option, a test of both. */
export const plugin: Template = {
  about: 'write a plugin for others',
  questions: [{ flag: 'name', ask: 'Name of the plugin', fallback: packageName }],
  guards: ['src/index.ts', 'src/plugin.ts'],
  project(answers) {
    const { pkg, plugin: name } = names(answers.name);
    return {
      name: pkg,
      files: {},
      copies: Object.fromEntries(FILES.map((file) => [file, `plugin/${file}`])),
      replace: [
        [`anneal-plugin-${NAME}`, pkg],
        [NAME, name],
        [camelCase(NAME), camelCase(name)],
        [pascalCase(NAME), pascalCase(name)],
      ],
      manifest: {
        version: '0.1.0',
        description: `${name} for Anneal`,
        keywords: ['anneal', 'anneal-plugin'],
        license: 'MIT',
        type: 'module',
        sideEffects: false,
        exports: {
          '.': { types: './dist/index.d.ts', default: './dist/index.js' },
          './package.json': './package.json',
        },
        files: ['dist', 'src'],
        engines: { node: '^20.19.0 || >=22.12.0' },
        anneal: { plugin: true, phases: ['train'] },
      },
      scripts: { build: 'tsc -p tsconfig.build.json', prepare: 'npm run build', test: 'tsc && vitest run' },
      dependencies: ['valibot'],
      devDependencies: [
        '@anneal/backend-onnx',
        '@anneal/core',
        '@anneal/graph',
        '@anneal/testkit',
        '@types/node',
        'typescript',
        'vitest',
      ],
      peers: ['@anneal/core'],
      ignored: ['node_modules', 'dist'],
      next: ['npm test'],
    };
  },
};
