import { describe, expect, it } from 'vitest';
import { MAIL_PROBLEMS, parseMail, type MailOptions } from '../src/index.ts';
import { createRandom } from './random.ts';

async function textOf(mail: string | Uint8Array, options?: MailOptions): Promise<string> {
  const result = await parseMail(mail, options);
  if (!result.ok) throw new Error(`${result.reason}: ${result.detail}`);
  return result.text;
}

async function reasonOf(mail: string | Uint8Array, options?: MailOptions): Promise<string> {
  const result = await parseMail(mail, options);
  return result.ok ? `text: ${result.text}` : result.reason;
}

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe('parseMail', () => {
  it('keeps the chosen headers, decoded, and the body; nothing that was added on the way', async () => {
    const mail = [
      'From sender@example.org Thu Aug 22 12:36:23 2002',
      'Received: from relay.example.org by mx.example.net',
      'X-Spam-Status: Yes, hits=9.9',
      'List-Id: <list.example.org>',
      'From: =?iso-8859-1?Q?Jos=E9_Mu=F1oz?= <jose@example.org>',
      'Subject: =?utf-8?B?w5xiZXJyYXNjaHVuZw==?=',
      ' and more',
      '',
      'Hello.',
    ].join('\r\n');
    expect(await textOf(mail)).toBe('Subject: Überraschung and more\nFrom: José Muñoz\n\nHello.');
    expect(await textOf(mail, { headers: ['from'], addresses: true })).toBe(
      'From: José Muñoz <jose@example.org>\n\nHello.',
    );
    expect(await textOf(mail, { headers: [] })).toBe('Hello.');
    expect(await textOf(mail, { headers: ['list-id'] })).toBe('List-Id: <list.example.org>\n\nHello.');
  });

  it('leaves out an address that stands in for a name', async () => {
    expect(await textOf('From: "feeds@example.org" <feeds@example.org>\nSubject: x\n\nb')).toBe('Subject: x\n\nb');
    expect(await textOf('To: A <a@x.org>, "B, C" <b@x.org>\n\nb', { headers: ['to'] })).toBe('To: A, B, C\n\nb');
  });

  it.each([
    ['quoted-printable', 'iso-8859-1', 'caf=E9 =\nau lait =3D good', 'café au lait = good'],
    ['base64', 'utf-8', Buffer.from('naïve ☕').toString('base64'), 'naïve ☕'],
    ['base64', 'koi8-r', '8NLJ18XU', 'Привет'],
    ['base64', 'gb2312', 'xOO6ww==', '你好'],
    ['base64', 'iso-2022-jp', 'GyRCJDMkcyRLJEEkTxsoQg==', 'こんにちは'],
    ['7bit', 'no-such-charset', 'plain', 'plain'],
  ])('decodes %s in %s', async (encoding, charset, body, text) => {
    const mail = `MIME-Version: 1.0\nContent-Type: text/plain; charset=${charset}\nContent-Transfer-Encoding: ${encoding}\n\n${body}`;
    expect(await textOf(mail)).toBe(text);
  });

  it('reads raw 8-bit bytes without a charset as Windows-1252, in header and body, unless they are UTF-8', async () => {
    expect(await textOf(bytes('Subject: caf\xe9\n\nD\xfcsseldorf \x96 \x80'))).toBe('Subject: café\n\nDüsseldorf – €');
    expect(await textOf(bytes('Subject: caf\xc3\xa9\n\nna\xc3\xafve'))).toBe('Subject: café\n\nnaïve');
    const declared = bytes('Subject: caf\xe9\nContent-Type: text/plain; charset=koi8-r\n\n\xf0\xd2\xc9');
    expect(await textOf(declared)).toBe('Subject: café\n\nПри');
  });

  it('skips attachments and counts them', async () => {
    const mail = [
      'Subject: files',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain',
      '',
      'See attached.',
      '--b',
      'Content-Type: application/pdf',
      'Content-Disposition: attachment; filename=a.pdf',
      'Content-Transfer-Encoding: base64',
      '',
      'JVBERi0xLjQK',
      '--b',
      'Content-Type: text/plain',
      'Content-Disposition: attachment; filename=secret.txt',
      '',
      'not this',
      '--b--',
    ].join('\n');
    expect(await parseMail(mail)).toEqual({ ok: true, text: 'Subject: files\n\nSee attached.', attachments: 2 });
  });

  it('takes the longer of a plain and an HTML rendering', async () => {
    const alternative = (plain: string, html: string): string =>
      `Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n${plain}\n--b\nContent-Type: text/html\n\n${html}\n--b--`;
    const html = '<html><body><p>Dear friend,</p><p>buy &amp; save</p></body></html>';
    expect(await textOf(alternative('HTML only.', html))).toBe('Dear friend,\n\nbuy & save');
    expect(await textOf(alternative('The whole letter in plain text.', '<p>short</p>'))).toBe(
      'The whole letter in plain text.',
    );
    expect(await textOf(`Content-Type: text/html\n\n${html}`)).toBe('Dear friend,\n\nbuy & save');
  });

  it('has the text of a forwarded message', async () => {
    const mail =
      'Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfyi\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner body\n--b--';
    const text = await textOf(mail);
    expect(text).toContain('fyi');
    expect(text).toContain('inner body');
  });

  describe('what gives no text has a reason', () => {
    const nested = (depth: number): string =>
      Array.from({ length: depth }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`).join('') +
      '\nx';
    const cases: Record<keyof typeof MAIL_PROBLEMS, readonly (readonly [string | Uint8Array, MailOptions?])[]> = {
      'mail-empty': [[''], [new Uint8Array(0)]],
      'mail-too-large': [
        ['Subject: x\n\n' + 'y'.repeat(100), { maxBytes: 100 }],
        ['Subject: x\n' + '\n'.repeat(300_000)],
      ],
      'mail-no-headers': [['just some text\nwithout fields'], [bytes('\x00\x01\x02\xff')], ['From nobody']],
      'mail-malformed': [[nested(60)], ['Subject: x\n' + 'X-A: '.padEnd(1000, 'a').concat('\n').repeat(600) + '\nb']],
      'mail-no-text': [
        ['X-Other: 1\n\n \n'],
        ['Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo='],
      ],
    };
    it.each(Object.entries(cases))('%s', async (reason, mails) => {
      for (const [mail, options] of mails) expect(await reasonOf(mail, options)).toBe(reason);
    });
  });

  it('never throws or hangs on damaged mails', async () => {
    const random = createRandom(11);
    const seed =
      'From: a <a@b.c>\nSubject: =?utf-8?Q?x?=\nContent-Type: multipart/alternative; boundary="=b"\n\n--=b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>=C3=A9 &amp; more\n--=b--\n';
    const start = performance.now();
    for (let round = 0; round < 1500; round++) {
      const damaged = bytes(seed);
      for (let hits = random.int(12); hits >= 0; hits--) damaged[random.int(damaged.length)] = random.int(256);
      const result = await parseMail(damaged.subarray(random.int(20), damaged.length - random.int(20)));
      if (!result.ok) expect(MAIL_PROBLEMS).toHaveProperty(result.reason);
    }
    for (const hostile of [
      '--b\n'.repeat(30_000),
      '('.repeat(200_000),
      '=?utf-8?Q?'.repeat(50_000),
      '<'.repeat(500_000),
    ]) {
      await parseMail(`Subject: ${hostile.slice(0, 100_000)}\nContent-Type: multipart/mixed; boundary=b\n\n${hostile}`);
      await parseMail(`Content-Type: text/html\n\n${hostile}`);
    }
    expect(performance.now() - start).toBeLessThan(6000);
  });
});
