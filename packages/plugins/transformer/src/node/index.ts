export { loadHuggingFace, openCheckpoint } from '../load.ts';
