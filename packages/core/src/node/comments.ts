import jsTokens from 'js-tokens';

/**
 * JavaScript or TypeScript without its comments, and with no more white space than says where lines end: two files that
 * differ in nothing else become equal.
 */
export function withoutComments(code: string): string {
  const kept: string[] = [];
  for (const { type, value } of jsTokens(code)) {
    const isComment = type === 'SingleLineComment' || type === 'MultiLineComment';
    if (isComment ? /[\n\r\u2028\u2029]/.test(value) : type === 'LineTerminatorSequence') {
      if (kept.length > 0 && kept.at(-1) !== '\n') kept.push('\n');
    } else if (!isComment && type !== 'WhiteSpace') kept.push(value);
  }
  if (kept.at(-1) === '\n') kept.pop();
  // Between tokens that stood apart or together there is no difference.
  return kept.join(' ');
}
