import { describe, expect, it } from 'vitest';

import { withoutComments } from '../../src/node/comments.ts';

const CODE = `import { a } from './a.ts';
export const b = (x: number): string => \`\${x /* in */} // text\`;
const pattern = /[/*]/; const half = a / 2; // what
type T<K> = { readonly [P in keyof K]: K[P] };
`;

describe('code without comments', () => {
  it.each([
    ['a line', (code: string) => `// first\n${code}`],
    ['a block over lines', (code: string) => `${code}\n/*\n * last\n */\n`],
    ['a block in a line', (code: string) => code.replace('const half', 'const /* x */ half')],
    ['one in a template', (code: string) => code.replace('/* in */', '')],
    ['other indentation', (code: string) => code.replaceAll('\n', '\n\n\t')],
    ['the line ends of Windows', (code: string) => code.replaceAll('\n', '\r\n')],
  ])('is equal with %s', (_, change) => {
    expect(change(CODE)).not.toBe(CODE);
    expect(withoutComments(change(CODE))).toBe(withoutComments(CODE));
  });

  it.each([
    ['text of a template', CODE.replace('// text', '// other')],
    ['a pattern that looks like a comment', CODE.replace('/[/*]/', '/[/+]/')],
    ['what comes after it', CODE.replace('a / 2', 'a / 3')],
    ['the end of a line, which may end a statement', CODE.replace('=> `', '=>\n`')],
    ['spaces in a string', CODE.replace('./a.ts', './a .ts')],
    ['names that were one', CODE.replace('half', 'ha lf')],
  ])('differs with %s', (_, changed) => {
    expect(changed).not.toBe(CODE);
    expect(withoutComments(changed)).not.toBe(withoutComments(CODE));
  });
});
