export { webBackend, webBackend as openBackend, type WebBackendOptions } from './backend.ts';
