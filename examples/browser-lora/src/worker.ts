// Everything that computes: the page stays free to draw and to hear.
import { formatError, type RunEvent, type Stage } from '@anneal/core';
import type { Backend } from '@anneal/graph';
import { webBackend } from '@anneal/backend-onnx/web';
import { adapterFolder } from '@anneal/plugin-lora';

import { DEFAULTS, type Settings } from './defaults.ts';
import { openJob } from './job.ts';
import type { Mail, Mails } from './mails.ts';
import type { News, Order, Quality } from './messages.ts';

const port = globalThis as unknown as Pick<Worker, 'addEventListener' | 'postMessage'>;
const root = new URL('./', import.meta.url).href;

const tell = (news: News): void => port.postMessage(news);

class Trainer {
  readonly #backend: Backend;
  readonly #mails: Mails;
  #stage: Stage;
  #stopping = new AbortController();

  constructor(backend: Backend, mails: Mails, stage: Stage) {
    this.#backend = backend;
    this.#mails = mails;
    this.#stage = stage;
  }

  static async open(mails: Mails): Promise<Trainer> {
    const backend = await webBackend({ wasmPaths: new URL('ort/', root).href });
    const stage = await openJob({ backend, root, mails, settings: DEFAULTS });
    tell({ type: 'ready', before: await quality(stage, mails.test), runtime: backend.info.version });
    return new Trainer(backend, mails, stage);
  }

  async train(train: readonly Mail[], settings: Settings): Promise<void> {
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    const mails = { train, test: this.#mails.test };
    const stage = await openJob({ backend: this.#backend, root, mails, settings, signal, onEvent: hear });
    try {
      const before = await quality(stage, mails.test);
      const { seconds } = await stage.train();
      const files = await adapterFolder(stage.model.graph, {}, stage.task.kind);
      const after = await quality(stage, mails.test);
      await this.#stage.close();
      this.#stage = stage;
      const bytes = [...(files ?? [])].map(([name, data]) => [name, toBytes(data)]);
      tell({ type: 'trained', before, after, seconds, files: Object.fromEntries(bytes) });
    } catch (error) {
      if (!signal.aborted) throw error;
      tell({ type: 'stopped' });
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  async predict(id: number, text: string): Promise<void> {
    const [outputs] = await this.#stage.predict([{ text }]);
    const exps = Array.from(outputs?.['logits']?.data ?? [], Number).map(Math.exp);
    const total = exps.reduce((sum, value) => sum + value, 0);
    const labels = this.#stage.task.labels ?? [];
    const probabilities = Object.fromEntries(labels.map((label, i) => [label, (exps[i] ?? 0) / total]));
    tell({ type: 'predicted', id, probabilities });
  }
}

function hear(event: RunEvent): void {
  if (event.type === 'step') tell({ type: 'step', point: event.point });
  else if (event.type === 'progress' && event.label.startsWith('train') && event.done === 0 && !event.finished) {
    tell({ type: 'started', steps: event.total ?? 0 });
  }
}

async function quality(stage: Stage, mails: readonly Mail[]): Promise<Quality> {
  const { accuracy, logLoss } = await stage.evaluate(mails);
  return { accuracy, logLoss } as Quality;
}

function toBytes(data: Uint8Array | string): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

let trainer: Promise<Trainer> | undefined;

async function obey(order: Order): Promise<void> {
  if (order.type === 'open') trainer = Trainer.open(order.mails);
  const ready = await trainer;
  if (order.type === 'train') await ready?.train(order.train, order.settings);
  else if (order.type === 'predict') await ready?.predict(order.id, order.text);
  else if (order.type === 'stop') ready?.stop();
}

port.addEventListener('message', (event) => {
  obey((event as MessageEvent<Order>).data).catch((error: unknown) => {
    tell({ type: 'failed', message: formatError(error) });
  });
});
