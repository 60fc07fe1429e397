import { GraphError } from '../error.ts';

/** Where in a file something is wrong. */
export interface Place {
  /** Name or path. */
  readonly file: string;
  /** Name of a tensor. */
  readonly tensor?: string | undefined;
  /** Name of a node. */
  readonly node?: string | undefined;
  /** Byte offset in the file. */
  readonly offset?: number | undefined;
}

/** An `ANNEAL_E_FORMAT` error that names file, tensor or node, and byte offset. */
export function formatError(
  place: Place,
  message: string,
  details: { fix?: string; cause?: unknown } = {},
): GraphError {
  const parts = [
    place.tensor === undefined ? '' : `, tensor "${place.tensor}"`,
    place.node === undefined ? '' : `, node "${place.node}"`,
    place.offset === undefined ? '' : `, byte ${place.offset}`,
  ];
  const at = Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined));
  return new GraphError('ANNEAL_E_FORMAT', `${place.file}${parts.join('')}: ${message}`, { at, ...details });
}
