import { jsonConfig, pluginNames, typescriptConfig } from '../config-source.ts';
import type { TemplateName } from '../flags.ts';
import { packageName } from '../names.ts';
import type { ConfigTemplate, Template } from './types.ts';

const CONFIGS = ['ts', 'mts', 'mjs', 'js', 'json', 'yaml', 'yml'].map((ending) => `anneal.config.${ending}`);

/** The project around a config: its language, its packages, a test, a README. */
export const configTemplate = (name: TemplateName, { config, copies, ...template }: ConfigTemplate): Template => ({
  ...template,
  guards: CONFIGS,
  project(answers) {
    const content = config(answers);
    const isTypescript = answers.format === 'ts';
    return {
      name: packageName(answers.name),
      files: isTypescript
        ? { 'anneal.config.ts': typescriptConfig(content) }
        : { 'anneal.config.json': jsonConfig(content) },
      copies: {
        'README.md': `${name}/README.md`,
        'test/build.test.js': `${name}/build.test.js`,
        ...(isTypescript ? { 'tsconfig.json': 'project/tsconfig.json' } : {}),
        ...copies(answers),
      },
      replace: [['{{name}}', answers.name]],
      manifest: { private: true, type: 'module' },
      scripts: {
        build: 'anneal build',
        test: 'node --test',
        ...(isTypescript ? {} : { schema: 'anneal schema -o anneal.schema.json' }),
      },
      dependencies: [],
      devDependencies: [
        '@anneal/core',
        '@anneal/backend-onnx',
        ...pluginNames(content).map((plugin) => `@anneal/plugin-${plugin}`),
        'anneal',
      ],
      peers: [],
      ignored: ['node_modules', 'dist', '.anneal'],
      next: [...(isTypescript ? [] : ['npm run schema']), 'npx anneal doctor', 'npx anneal build'],
    };
  },
});
