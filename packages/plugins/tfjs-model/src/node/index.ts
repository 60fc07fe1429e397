export { findTfjs, loadTfjs } from './load.ts';
