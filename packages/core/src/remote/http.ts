import { type IncomingMessage, request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import type { RemoteBody, RemoteCache, RemoteCacheConfig, RemoteOptions } from './types.ts';

/** Answers that say that there is nothing. */
const NOTHING = new Set([404, 410]);

/**
 * A remote cache on a web server that answers GET, HEAD and PUT: nginx with WebDAV, bazel-remote, an object store behind
 * a proxy. Redirects are not followed: headers with credentials would go wherever they lead.
 */
export function httpCache({ url, headers = {} }: Pick<RemoteCacheConfig, 'url' | 'headers'>): RemoteCache {
  const base = new URL(url.endsWith('/') ? url : `${url}/`);

  const send = async (method: string, name: string, { signal }: RemoteOptions, body?: RemoteBody) => {
    const place = new URL(name, base);
    const make = place.protocol === 'https:' ? secure : plain;
    const own = body === undefined ? {} : { 'content-length': body.size, 'content-type': 'application/octet-stream' };
    const request = make(place, { method, signal, headers: { ...headers, ...own } });
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve);
      request.on('error', reject);
    });
    // Told by whichever of the two fails first; the other must not end the process.
    answer.catch(() => undefined);
    if (body === undefined) request.end();
    // A server that answers before it has read all, e.g. that it takes nothing, closes the connection under us.
    else await Promise.race([pipeline(Readable.from(body.open()), request, { signal }), answer]);
    return answer;
  };
  const fail = (answer: IncomingMessage, method: string): Error => {
    answer.destroy();
    return new Error(`${method} ${base.origin} answered ${answer.statusCode} ${answer.statusMessage}`.trimEnd());
  };
  /** Reads an answer that nobody needs, so that the connection can be used again. */
  const drain = (answer: IncomingMessage): void => {
    answer.on('error', () => undefined);
    answer.resume();
  };

  return {
    async get(name, options) {
      const answer = await send('GET', name, options);
      if (answer.statusCode === 200) return answer;
      if (!NOTHING.has(answer.statusCode ?? 0)) throw fail(answer, 'GET');
      drain(answer);
      return undefined;
    },
    async has(name, options) {
      const answer = await send('HEAD', name, options);
      drain(answer);
      return answer.statusCode === 200;
    },
    async put(name, body, options) {
      const answer = await send('PUT', name, options, body);
      const { statusCode = 0 } = answer;
      if (statusCode < 200 || statusCode > 299) throw fail(answer, 'PUT');
      drain(answer);
    },
  };
}
