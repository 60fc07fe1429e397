export { adapterFiles, openAdapter } from '../load.ts';
