import PostalMime, { addressParser, decodeWords, type Email } from 'postal-mime';
import { htmlToText } from './html.ts';
import { repairC1 } from './mojibake.ts';

/** Options of {@link parseMail}. */
export interface MailOptions {
  /**
   * Header fields to put in front of the body, as `Subject: …` lines in this order; every other field is left out.
   * Fields that programs on the way add (`List-Id`, `X-Spam-Status`, `Received`, …) often give the label away.
   * @defaultValue `['subject', 'from']`
   */
  readonly headers?: readonly string[] | undefined;
  /**
   * Keep the addresses in fields such as `From`; without them only display names stay. In collected corpora addresses
   * are often rewritten by whoever collected them, and differently per class.
   * @defaultValue `false`
   */
  readonly addresses?: boolean | undefined;
  /** Mails with more bytes are not parsed. @defaultValue 16 MiB */
  readonly maxBytes?: number | undefined;
  /** Deepest nesting of MIME parts. @defaultValue 32 */
  readonly maxNesting?: number | undefined;
}

/** Why a mail gave no text, with one line of explanation. */
export const MAIL_PROBLEMS: {
  readonly 'mail-empty': string;
  readonly 'mail-too-large': string;
  readonly 'mail-no-headers': string;
  readonly 'mail-malformed': string;
  readonly 'mail-no-text': string;
} = {
  'mail-empty': 'the mail has no bytes',
  'mail-too-large': 'the mail has more bytes than `maxBytes`, or more than 200,000 lines',
  'mail-no-headers': 'the first line is no header field: not a mail',
  'mail-malformed': 'the parser gave up: parts nested too deep or headers too large',
  'mail-no-text': 'no part of the mail is text, and no chosen header has a value',
};

/** Key of {@link MAIL_PROBLEMS}. */
export type MailProblem = keyof typeof MAIL_PROBLEMS;

/** A mail as text, or the reason why there is none. */
export type MailResult =
  | { readonly ok: true; readonly text: string; readonly attachments: number }
  | { readonly ok: false; readonly reason: MailProblem; readonly detail: string };

/** Header fields kept when the caller does not say. */
export const DEFAULT_MAIL_HEADERS: readonly string[] = ['subject', 'from'];

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
const DEFAULT_MAX_NESTING = 32;
/** The parser spends about 10 µs on each line; 200,000 lines hold 15 MB of an encoded attachment. */
const MAX_LINES = 200_000;
const MAX_HEADER_BYTES = 512 * 1024;
const MAX_HEADER_CHARACTERS = 1000;
/** Messages inside a message: each level is held in memory again. */
const MAX_FORWARDED = 3;
/** Fields whose value is a list of names and addresses. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'bcc']);
const LF = 0x0a;

/**
 * Text of one raw mail (RFC 5322 with MIME): chosen header fields, a blank line, the body. Transfer encodings and
 * charsets are decoded, attachments are left out. Of a plain and an HTML rendering the longer text is taken, because
 * the plain one is often only a placeholder. Never throws for what is in the mail.
 */
export async function parseMail(raw: Uint8Array | string, options: MailOptions = {}): Promise<MailResult> {
  const bytes = typeof raw === 'string' ? new TextEncoder().encode(raw) : raw;
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (bytes.length === 0) return failed('mail-empty', '0 bytes');
  if (bytes.length > maxBytes) return failed('mail-too-large', `${bytes.length} bytes, the limit is ${maxBytes}`);
  const lines = countLines(bytes);
  if (lines > MAX_LINES) return failed('mail-too-large', `${lines} lines, the limit is ${MAX_LINES}`);
  const message = withoutEnvelope(bytes);
  if (!startsWithField(message)) return failed('mail-no-headers', JSON.stringify(latin1(message.subarray(0, 60))));
  let email: Email;
  try {
    email = await PostalMime.parse(asUtf8(message), {
      maxNestingDepth: options.maxNesting ?? DEFAULT_MAX_NESTING,
      maxHeadersSize: MAX_HEADER_BYTES,
      maxRfc822NestingDepth: MAX_FORWARDED,
    });
  } catch (error) {
    return failed('mail-malformed', error instanceof Error ? error.message : String(error));
  }
  const head = headerLines(email, options);
  const body = bodyText(email);
  const text = [head.join('\n'), body].filter((part) => part !== '').join('\n\n');
  if (text === '') return failed('mail-no-text', `${email.attachments.length} attachments`);
  // Some versions of Node decode Windows-1252 as Latin-1.
  return { ok: true, text: repairC1(text), attachments: email.attachments.length };
}

function failed(reason: MailProblem, detail: string): MailResult {
  return { ok: false, reason, detail };
}

function countLines(bytes: Uint8Array): number {
  let lines = 1;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines++;
  return lines;
}

function headerLines(email: Email, { headers = DEFAULT_MAIL_HEADERS, addresses = false }: MailOptions): string[] {
  const lines: string[] = [];
  for (const name of headers) {
    const key = name.toLowerCase();
    const raw = email.headers.find((header) => header.key === key)?.value ?? '';
    const value = ADDRESS_FIELDS.has(key) && !addresses ? displayNames(raw) : decodeWords(raw);
    const line = value.replace(/\s+/g, ' ').trim();
    if (line !== '') lines.push(`${titled(key)}: ${line.slice(0, MAX_HEADER_CHARACTERS)}`);
  }
  return lines;
}

function displayNames(value: string): string {
  const names = addressParser(value, { flatten: true }).map(({ name }) => name);
  return names.filter((name) => name !== '' && !name.includes('@')).join(', ');
}

function titled(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

function bodyText(email: Email): string {
  const plain = email.text?.trim() ?? '';
  const rich = email.html === undefined ? '' : htmlToText(email.html);
  return rich.length > plain.length ? rich : plain;
}

/** Mailbox files put a `From sender date` line before each mail; some tools leave it, or blank lines, in. */
function withoutEnvelope(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length && (bytes[start] === LF || bytes[start] === 0x0d)) start++;
  if (latin1(bytes.subarray(start, start + 5)) !== 'From ') return bytes.subarray(start);
  const end = bytes.indexOf(LF, start);
  return end < 0 ? new Uint8Array(0) : bytes.subarray(end + 1);
}

function startsWithField(bytes: Uint8Array): boolean {
  return /^[!-9;-~]+[ \t]*:/.test(latin1(bytes.subarray(0, 256)));
}

/**
 * Old mail has raw 8-bit bytes where no charset is declared: in header fields, and in bodies without a charset. The
 * parser reads those as UTF-8, so lines that are not UTF-8 are turned into it first, read as Windows-1252.
 * Bodies of a message that declares any charset stay as they are.
 */
function asUtf8(bytes: Uint8Array): Uint8Array {
  if (isUtf8(bytes)) return bytes;
  const declared = /charset[ \t]*=/i.test(latin1(bytes));
  const out: Uint8Array[] = [];
  let inHeaders = true;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(LF, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    const line = bytes.subarray(start, end);
    if (inHeaders && (line.length === 1 || (line.length === 2 && line[0] === 0x0d))) inHeaders = false;
    if ((!inHeaders && declared) || isUtf8(line)) out.push(line);
    else out.push(new TextEncoder().encode(repairC1(latin1(line))));
    start = end;
  }
  return concatenated(out);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
