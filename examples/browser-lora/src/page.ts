/// <reference lib="dom" />
// The page: mails and settings in, curve, numbers and files out. What computes is in worker.ts.
import type { Metric } from '@anneal/core';

import { LossChart } from './chart.ts';
import { DEFAULTS } from './defaults.ts';
import { LABELS, type Mail, type Mails } from './mails.ts';
import type { News, Order, Quality } from './messages.ts';

/** Mails that the list shows at first, and more at each press. */
const PAGE_SIZE = 6;
/** How long a text is left alone before it is predicted. */
const TYPING_MS = 250;

function find<T extends Element>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
const ask = (order: Order): void => {
  worker.postMessage(order);
};

/** The mails to learn from; those that were added come first. */
let mails: Mail[] = [];
let shown = PAGE_SIZE;
let chart: LossChart | undefined;
let steps = 0;
let asked = 0;

function say(text: string, failed: boolean = false): void {
  const status = find<HTMLElement>('#status');
  status.textContent = text;
  status.classList.toggle('failed', failed);
}

function options(selected: string): readonly HTMLOptionElement[] {
  return LABELS.map((label) => new Option(label, label, false, label === selected));
}

function showMails(): void {
  const counts = LABELS.map((label) => `${mails.filter((mail) => mail.label === label).length} ${label}`);
  find('#counts').textContent = `${mails.length} mails: ${counts.join(', ')}. Change what is wrong, add your own.`;
  find('#list').replaceChildren(
    ...mails.slice(0, shown).map((mail, i) => {
      const item = document.createElement('li');
      const text = document.createElement('p');
      text.textContent = mail.text;
      const select = document.createElement('select');
      select.append(...options(mail.label));
      select.setAttribute('aria-label', `What mail ${i + 1} is`);
      select.addEventListener('change', () => {
        mails[i] = { ...mail, label: select.value };
        showMails();
        find<HTMLElement>(`#list li:nth-child(${i + 1}) select`).focus();
      });
      item.append(text, select);
      return item;
    }),
  );
  find<HTMLElement>('#more').hidden = shown >= mails.length;
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

function showAccuracy(id: string, { value, ci95 }: Metric): void {
  find(`#${id}`).textContent = percent(value);
  find(`#${id}-range`).textContent = ci95 === undefined ? '' : `95 %: ${percent(ci95[0])} to ${percent(ci95[1])}`;
}

function showBefore({ accuracy }: Quality): void {
  showAccuracy('before', accuracy);
}

/** Only one of two buttons has a meaning at a time; whoever uses the keyboard stays where they are. */
function setTraining(isOn: boolean): void {
  const [start, stop] = [find<HTMLButtonElement>('#start'), find<HTMLButtonElement>('#stop')];
  const [from, to] = isOn ? [start, stop] : [stop, start];
  const hadFocus = document.activeElement === from;
  start.disabled = isOn;
  stop.hidden = !isOn;
  if (hadFocus) to.focus();
}

function begin(total: number): void {
  steps = total;
  find<HTMLElement>('#figure').hidden = false;
  chart = new LossChart(find<SVGElement>('#chart'), total);
  const progress = find<HTMLProgressElement>('#progress');
  progress.hidden = false;
  progress.max = total;
  progress.value = 0;
}

function offer(files: Readonly<Record<string, Uint8Array>>): void {
  for (const [id, name] of [
    ['weights', 'adapter_model.safetensors'],
    ['config', 'adapter_config.json'],
  ] as const) {
    const link = find<HTMLAnchorElement>(`#${id}`);
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([files[name] as Uint8Array<ArrayBuffer>]));
  }
  find<HTMLElement>('#files').hidden = false;
}

function showScores(probabilities: Readonly<Record<string, number>>): void {
  const rows = Object.entries(probabilities).map(([label, value]) => {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = label;
    const [bar, number] = [document.createElement('td'), document.createElement('td')];
    const meter = document.createElement('meter');
    meter.value = value;
    meter.setAttribute('aria-label', label);
    bar.append(meter);
    number.textContent = percent(value);
    row.append(head, bar, number);
    return row;
  });
  find('#scores tbody').replaceChildren(...rows);
  find<HTMLElement>('#scores').hidden = false;
}

function predict(): void {
  const { value: text } = find<HTMLTextAreaElement>('#mail');
  if (text.trim() === '') find<HTMLElement>('#scores').hidden = true;
  else ask({ type: 'predict', id: ++asked, text });
}

const HEAR: { readonly [T in News['type']]: (news: Extract<News, { type: T }>) => void } = {
  ready: ({ before, runtime }) => {
    showBefore(before);
    find('#runtime').textContent = `Computed by ${runtime}, as WebAssembly.`;
    find<HTMLButtonElement>('#start').disabled = false;
    say('Ready to train');
  },
  started: ({ steps: total }) => {
    begin(total);
    say('Training …');
  },
  step: ({ point: { step, epoch, loss } }) => {
    chart?.add(loss);
    find<HTMLProgressElement>('#progress').value = step + 1;
    find('#caption').textContent = `Step ${step + 1} of ${steps}, epoch ${epoch + 1}: loss ${loss.toFixed(3)}`;
  },
  trained: ({ before, after, seconds, files }) => {
    setTraining(false);
    showBefore(before);
    showAccuracy('after', after.accuracy);
    offer(files);
    say(
      `Trained in ${seconds.toFixed(1)} s: accuracy ${percent(before.accuracy.value)} → ${percent(after.accuracy.value)}`,
    );
    predict();
  },
  stopped: () => {
    setTraining(false);
    say('Stopped; the model is as it was before');
  },
  predicted: ({ id, probabilities }) => {
    if (id === asked) showScores(probabilities);
  },
  failed: ({ message }) => {
    setTraining(false);
    say(message, true);
  },
};

worker.addEventListener('message', ({ data }: MessageEvent<News>) => {
  (HEAR[data.type] as (news: News) => void)(data);
});
worker.addEventListener('error', ({ message }) => {
  say(`The worker does not start: ${message}`, true);
});

find('#add').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = find<HTMLTextAreaElement>('#text');
  mails.unshift({ text: text.value, label: find<HTMLSelectElement>('#label').value });
  text.value = '';
  text.focus();
  showMails();
});
find('#more').addEventListener('click', () => {
  shown += PAGE_SIZE;
  showMails();
});
find('#settings').addEventListener('submit', (event) => {
  event.preventDefault();
  const number = (id: string): number => find<HTMLInputElement>(`#${id}`).valueAsNumber;
  setTraining(true);
  say('Compiling the training step …');
  ask({ type: 'train', train: mails, settings: { epochs: number('epochs'), r: number('r') } });
});
find('#stop').addEventListener('click', () => {
  ask({ type: 'stop' });
});
window.addEventListener('resize', () => chart?.draw());
let typing: ReturnType<typeof setTimeout> | undefined;
find('#mail').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(predict, TYPING_MS);
});

find('#label').append(...options(LABELS[0] as string));
for (const [id, value] of Object.entries(DEFAULTS)) find<HTMLInputElement>(`#${id}`).valueAsNumber = value;
try {
  const response = await fetch('mails.json');
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const given = (await response.json()) as Mails;
  mails = [...given.train];
  showMails();
  find('#tested').textContent =
    `Measured on ${given.test.length} other mails. Before training, the last layer is random.`;
  say('Starting the runtime …');
  ask({ type: 'open', mails: given });
} catch (error) {
  say(`The mails cannot be fetched: ${error instanceof Error ? error.message : String(error)}`, true);
}
