// The entry under the condition `browser`: what of ./index.ts imports nothing of Node. Types are those of ./index.ts.
export { Artifacts } from './artifacts.ts';
export { openStage } from './build/stage.ts';
export { defineConfig } from './config/define.ts';
export { validateOptions } from './config/options.ts';
export { CODES } from './errors/codes.ts';
export { AnnealError, isAnnealError } from './errors/error.ts';
export { formatError } from './errors/format.ts';
export { ERROR_REFERENCE } from './errors/reference.ts';
export { pathText } from './errors/show.ts';
export { suggest } from './errors/suggest.ts';
export { STAGE } from './hooks/types.ts';
export { createLogger } from './observe/logger.ts';
export { definePlugin, isPlugin } from './plugin/define.ts';
export { baseName, instanceOf, ownName } from './plugin/instance.ts';
export { definePreset, isPreset } from './plugin/preset.ts';
export { random } from './random.ts';
