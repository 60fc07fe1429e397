import { parentPort } from 'node:worker_threads';
import { env } from 'onnxruntime-node';
import { Executor } from './executor.ts';
import type { Reply, Request } from './protocol.ts';

// The thread that runs sessions: `run()` of onnxruntime-node blocks its thread for as long as the graph takes.
const port = parentPort;
if (port === null) throw new Error('this file is the entry of a worker thread');

// Where it exists, onnxruntime-common turns 16-bit floats into this array, and the binding of 1.30 takes it for an empty
// one. Without it they stay what they are for us, a Uint16Array of their bits.
Reflect.deleteProperty(globalThis, 'Float16Array');

// Errors are thrown; what ORT prints besides is for its developers.
env.logLevel = 'fatal';

const executor = new Executor();
// One at a time and in order: programs share state.
let last: Promise<void> = Promise.resolve();

port.on('message', (request: Request) => {
  last = last.then(async () => {
    let reply: Reply;
    let transfer: readonly ArrayBuffer[] = [];
    try {
      const answer = await executor.handle(request);
      reply = { id: request.id, result: answer.result };
      transfer = answer.transfer;
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      reply = { id: request.id, error: { message, stack } };
    }
    port.postMessage(reply, [...transfer]);
  });
});
