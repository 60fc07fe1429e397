import { describe, expect, it } from 'vitest';
import { htmlToText } from '../src/index.ts';

describe('htmlToText', () => {
  it.each([
    ['<p>One <b>bo</b>ld word.</p><p>Two</p>', 'One bold word.\n\nTwo'],
    ['a<br>b<br><br>c<BR/>d', 'a\nb\n\nc\nd'],
    ['<ul><li>x</li><li>y</li></ul>z', 'x\ny\n\nz'],
    ['<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>', 'a b\nc'],
    ['Fish &amp; chips &pound;5 &#8364;6 &#x20AC;7&nbsp;now caf&eacute;', 'Fish & chips £5 €6 €7\u00a0now café'],
    ['&lt;b&gt; &zzz; AT&T', '<b> &zzz; AT&T'],
    ['<style>p{}</style><script>if (a < b) "</p>"</script>shown<!-- hidden -->!', 'shown!'],
    ['<head><title>T</title></head><body>B</body>', 'B'],
    ['<img src=x alt="a &amp; b">after <img alt="">end', 'a & b after end'],
    ['no tags\n at  all ', 'no tags at all'],
    ['a<b <c>d', 'ad'],
    ['un<i>closed', 'unclosed'],
    ['', ''],
    ['<p> </p> <div>\n</div>', ''],
  ])('%s', (html, text) => {
    expect(htmlToText(html)).toBe(text);
  });

  it('takes time and stack in proportion to the page, however it is nested', () => {
    const hostile = [
      '<div>'.repeat(200_000),
      '<a>'.repeat(200_000) + '</b>'.repeat(200_000),
      '<'.repeat(300_000),
      '&'.repeat(300_000),
      '<!--'.repeat(100_000),
      '<p a="'.repeat(100_000),
    ];
    const start = performance.now();
    for (const html of hostile) htmlToText(html);
    expect(performance.now() - start).toBeLessThan(3000);
  });
});
