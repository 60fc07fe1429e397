import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { onTestFinished } from 'vitest';

export interface Request {
  readonly method: string;
  /** `ac/…` or `cas/…`. */
  readonly name: string;
  readonly headers: IncomingMessage['headers'];
}

/** Answers in place of the store; `false` leaves it to the store. */
export type Misbehave = (request: Request, response: ServerResponse) => boolean;

export interface StoreServer {
  readonly url: string;
  readonly files: Map<string, Buffer>;
  readonly requests: readonly Request[];
  /** How it answers from now on. */
  misbehave(how: Misbehave): void;
  /** Names that were sent or asked for by a method. */
  asked(method: string): readonly string[];
}

/** A real web server on this machine that keeps what is put there. */
export async function storeServer(): Promise<StoreServer> {
  const files = new Map<string, Buffer>();
  const requests: Request[] = [];
  let how: Misbehave = () => false;
  const server = createServer((message, response) => {
    const request = { method: message.method!, name: message.url!.replace(/^\/store\//, ''), headers: message.headers };
    requests.push(request);
    response.on('error', () => undefined);
    if (how(request, response)) return;
    if (request.method === 'PUT') {
      const chunks: Buffer[] = [];
      message.on('data', (chunk: Buffer) => chunks.push(chunk));
      message.on('end', () => {
        files.set(request.name, Buffer.concat(chunks));
        response.writeHead(201).end();
      });
      return;
    }
    const found = files.get(request.name);
    response.writeHead(found === undefined ? 404 : 200, found && { 'content-length': found.length });
    response.end(request.method === 'HEAD' ? undefined : found);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/store`,
    files,
    requests,
    misbehave: (next) => {
      how = next;
    },
    asked: (method) => requests.filter((request) => request.method === method).map(({ name }) => name),
  };
}
