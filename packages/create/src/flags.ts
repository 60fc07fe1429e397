/** A flag of `npm create anneal` and of `anneal init`. */
export interface Flag {
  /** `boolean`: a flag; `string`: takes a value. */
  readonly type: 'string' | 'boolean';
  /** One letter. */
  readonly short?: string;
  /** What the value is, in the help: `<name>`. */
  readonly value?: string;
  /** One line for the help. */
  readonly about: string;
}

/** A template: three projects and a plugin. */
export type TemplateName = 'text-classifier' | 'llm-lora' | 'compress-onnx' | 'plugin';
/** The first is taken when nobody chooses. */
export const TEMPLATE_NAMES: readonly TemplateName[] = ['text-classifier', 'llm-lora', 'compress-onnx', 'plugin'];

/** A flag that answers a question. */
export type AnswerFlag = 'template' | 'name' | 'data' | 'text' | 'label' | 'model' | 'format';
/** Which of them a template asks for is in the template. */
export const ANSWER_FLAGS: Readonly<Record<AnswerFlag, Flag>> = {
  template: { type: 'string', value: '<name>', about: TEMPLATE_NAMES.join(', ') },
  name: { type: 'string', value: '<name>', about: 'Name of the project or plugin' },
  data: { type: 'string', value: '<pattern>', about: 'Files with the data, e.g. data/*.csv (default: a sample)' },
  text: { type: 'string', value: '<column>', about: 'Column of the text (default: text)' },
  label: { type: 'string', value: '<column>', about: 'Column of the class (default: label)' },
  model: { type: 'string', value: '<path>', about: 'Model to start from (default: a small one)' },
  format: { type: 'string', value: '<ts|json>', about: 'Language of the config (default: ts)' },
};

/** All flags; the command line of Anneal has them as options of `init`. */
export const FLAGS: Readonly<Record<AnswerFlag | 'yes' | 'force', Flag>> = {
  ...ANSWER_FLAGS,
  yes: { type: 'boolean', short: 'y', about: 'Ask nothing: take flags and defaults' },
  force: { type: 'boolean', short: 'f', about: 'Overwrite files that exist' },
};
