import { writeOnnx } from '@anneal/graph';

import { tinyTextModel } from './classification.ts';

/** The bytes of an `.onnx` file: the tiny classifier of texts, as if another tool had written it. */
export async function tinyOnnx(): Promise<Uint8Array> {
  return (await writeOnnx(tinyTextModel().graph)).model;
}
