export { externalFolder, type ExternalFolderOptions, fileSource } from './file-source.ts';
export { loadGguf } from './gguf.ts';
export { loadOnnx, type LoadOnnxOptions, saveOnnx, type SaveOnnxOptions } from './onnx.ts';
export { loadSafetensors, saveSafetensors } from './safetensors.ts';
export { type FileToWrite, writeFiles, type WrittenFile } from './write-files.ts';
export { type WorkerCalls, WorkerChannel } from './worker-channel.ts';
