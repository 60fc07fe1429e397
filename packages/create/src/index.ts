export type { Asker, Choice } from './asker.ts';
export { create, type Created, type CreateOptions } from './create.ts';
export { CreateError } from './error.ts';
export { TEMPLATE_NAMES, type AnswerFlag, type TemplateName } from './flags.ts';
export type { Answers } from './templates/types.ts';
