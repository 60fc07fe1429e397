export { findOnnx, openOnnx, type OnnxFiles } from '../load.ts';
