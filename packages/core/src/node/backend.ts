import type { Backend } from '@anneal/graph';

import type { BackendFactory, ResolvedConfig } from '../config/types.ts';
import { AnnealError, isAnnealError } from '../errors/error.ts';
import { importFile, resolvePackage } from './resolve.ts';

/** Package that a backend is named by. */
export function backendPackage(backend: string): string {
  return backend.startsWith('@') || backend.includes('/') ? backend : `@anneal/backend-${backend}`;
}

/**
 * Opens the configured backend. A package offers `openBackend({ device, threads, root })`.
 *
 * @throws AnnealError `ANNEAL_E_BACKEND` when it is not installed, is none, or does not open.
 */
export async function openBackend(config: ResolvedConfig): Promise<Backend> {
  const { backend, device, threads, root } = config;
  const name = typeof backend === 'string' ? backendPackage(backend) : 'the function that the config gives';
  try {
    const open = typeof backend === 'string' ? await backendFactory(backend, name, root) : backend;
    return await open({ device, threads, root });
  } catch (cause) {
    if (isAnnealError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AnnealError('ANNEAL_E_BACKEND', `${name} opens no backend: ${reason}`, { path: ['backend'], cause });
  }
}

async function backendFactory(backend: string, name: string, root: string): Promise<BackendFactory> {
  const file = resolvePackage(name, root);
  if (file === undefined) {
    throw new AnnealError('ANNEAL_E_BACKEND', `backend \`${backend}\` is not installed: no package ${name}`, {
      path: ['backend'],
      fix: `npm install ${name}`,
    });
  }
  const { openBackend: open } = await importFile(file);
  if (typeof open === 'function') return open as BackendFactory;
  throw new AnnealError('ANNEAL_E_BACKEND', `${name} exports no \`openBackend\``, { path: ['backend'], file });
}
