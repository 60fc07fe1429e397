export { onnxBackend, onnxBackend as openBackend, type OnnxBackendOptions, type OnnxDevice } from './open.ts';
export { onnxDoctor, type OnnxDoctorReport } from './doctor.ts';
export { type GemmOptions, type GemmRate, type GemmShape, measureGemm } from './gemm.ts';
export type { Provider } from './protocol.ts';
