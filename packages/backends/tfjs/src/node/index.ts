export { tfjsBackend, tfjsBackend as openBackend, type TfjsBackendOptions, type TfjsDevice } from './open.ts';
export { tfjsDoctor, type TfjsDoctorReport } from './doctor.ts';
