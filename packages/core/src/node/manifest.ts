import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What of a package.json matters here. */
export interface Manifest {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly dependencies?: Readonly<Record<string, string>> | undefined;
  readonly devDependencies?: Readonly<Record<string, string>> | undefined;
  readonly optionalDependencies?: Readonly<Record<string, string>> | undefined;
  readonly peerDependencies?: Readonly<Record<string, string>> | undefined;
  /** What a plugin says of itself. */
  readonly anneal?:
    | { readonly plugin?: boolean | undefined; readonly provides?: readonly string[] | undefined }
    | undefined;
}

/** The manifest of a folder; `undefined` when there is none that can be read. */
export function manifestOf(folder: string): Manifest | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return typeof found === 'object' && found !== null ? found : undefined;
  } catch {
    return undefined;
  }
}

/** The manifest of the package that a folder belongs to. */
export function nearestManifest(folder: string): Manifest | undefined {
  if (existsSync(join(folder, 'package.json'))) return manifestOf(folder);
  return dirname(folder) === folder ? undefined : nearestManifest(dirname(folder));
}
