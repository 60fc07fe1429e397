import type { TemplateName } from '../flags.ts';
import { compressOnnx } from './compress-onnx.ts';
import { configTemplate } from './config-template.ts';
import { llmLora } from './llm-lora.ts';
import { plugin } from './plugin.ts';
import { textClassifier } from './text-classifier.ts';
import type { Template } from './types.ts';

export const TEMPLATES: Readonly<Record<TemplateName, Template>> = {
  'text-classifier': configTemplate('text-classifier', textClassifier),
  'llm-lora': configTemplate('llm-lora', llmLora),
  'compress-onnx': configTemplate('compress-onnx', compressOnnx),
  plugin,
};
