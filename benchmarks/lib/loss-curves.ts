/** A panel of a picture: where it lies, and the values from its lower to its upper edge. */
interface Panel {
  readonly top: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

const [WIDTH, HEIGHT, LEFT, RIGHT] = [760, 480, 60, 14];
/** In the middle between black and white: a page may have any background. */
const INK = '#808080';
const COLOURS = { fp32: '#2f81f7', int8: '#e8710a' } as const;

/** Trailing means over up to `window` values. */
function smoothed(values: readonly number[], window: number): number[] {
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i + 1 - window), i + 1);
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}

/**
 * Two curves of losses over steps as an SVG, raw and as trailing means, and below by how many percent the second differs
 * from the first, with lines at ±1 %.
 */
export function lossCurves(fp32: readonly number[], int8: readonly number[], window: number): string {
  const step = 0.5;
  const all = [...fp32, ...int8];
  const [from, to] = [Math.floor(Math.min(...all) / step) * step, Math.ceil(Math.max(...all) / step) * step];
  const losses: Panel = { top: 36, height: 250, from, to, step };
  const percent = int8.map((loss, i) => 100 * (loss / (fp32[i] as number) - 1));
  const reach = Math.max(2, Math.ceil(Math.max(...percent.map(Math.abs))));
  const ratio: Panel = { top: 330, height: 104, from: -reach, to: reach, step: reach > 4 ? Math.ceil(reach / 2) : 1 };
  const difference = smoothed(int8, window).map((loss, i) => 100 * (loss / (smoothed(fp32, window)[i] as number) - 1));
  const parts = [
    ...axes(losses, `loss of a step; bold: mean of ${window} steps`),
    line(fp32, losses, COLOURS.fp32, 'stroke-width="1" opacity=".35"'),
    line(int8, losses, COLOURS.int8, 'stroke-width="1" opacity=".35"'),
    line(smoothed(fp32, window), losses, COLOURS.fp32, 'stroke-width="4"'),
    line(smoothed(int8, window), losses, COLOURS.int8, 'stroke-width="1.8"'),
    ...axes(ratio, 'int8 beside fp32, %; dashed: ±1 %'),
    ...[-1, 1].map((at) =>
      line(
        fp32.map(() => at),
        ratio,
        INK,
        'stroke-dasharray="5 4"',
      ),
    ),
    line(percent, ratio, COLOURS.int8, 'stroke-width="1" opacity=".4"'),
    line(difference, ratio, COLOURS.int8, 'stroke-width="2"'),
    ...stepTicks(fp32.length, ratio.top + ratio.height),
    ...Object.entries(COLOURS).map(
      ([name, colour], i) =>
        `<path d="M${WIDTH - 150 + 75 * i} 20h18" stroke="${colour}" stroke-width="4"/>` +
        text(WIDTH - 127 + 75 * i, 24, name),
    ),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
      'fill="none" stroke-linejoin="round" font-family="system-ui, sans-serif" font-size="12" role="img">',
    '<title>Loss of LoRA fine-tuning with frozen layers in fp32 and in int8</title>',
    ...parts,
    '</svg>\n',
  ].join('\n');
}

const fixed = (value: number): string => value.toFixed(1);

function projectY(value: number, { top, height, from, to }: Panel): number {
  return top + height * (1 - (value - from) / (to - from));
}

function projectX(step: number, steps: number): number {
  return LEFT + ((WIDTH - LEFT - RIGHT) * step) / Math.max(1, steps - 1);
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" fill="${INK}">${words}</text>`;
}

function line(values: readonly number[], panel: Panel, colour: string, style: string): string {
  const points = values.map((value, i) => `${fixed(projectX(i, values.length))},${fixed(projectY(value, panel))}`);
  return `<polyline points="${points.join(' ')}" stroke="${colour}" ${style}/>`;
}

function axes(panel: Panel, label: string): string[] {
  const { top, from, to, step } = panel;
  const count = Math.round((to - from) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => from + i * step);
  return [
    text(LEFT, top - 12, label),
    ...ticks.map((value) => {
      const y = projectY(value, panel);
      return (
        `<path d="M${LEFT} ${fixed(y)}H${WIDTH - RIGHT}" stroke="${INK}" opacity=".25"/>` +
        text(LEFT - 8, y + 4, `${Number(value.toFixed(2))}`, 'end')
      );
    }),
  ];
}

function stepTicks(steps: number, bottom: number): string[] {
  const parts = 4;
  const ticks = Array.from({ length: parts + 1 }, (_, i) => Math.max(1, Math.round((i * steps) / parts)));
  return [
    ...ticks.map((step) => text(projectX(step - 1, steps), bottom + 18, `${step}`, 'middle')),
    text(WIDTH - RIGHT, bottom + 36, 'step', 'end'),
  ];
}
