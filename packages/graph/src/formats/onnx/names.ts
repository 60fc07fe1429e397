import type { Value } from '../../ir.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** Hands out names that are unique within one model. */
export class Namer {
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  /** Whether the name was free; it is taken afterwards. */
  reserve(name: string): boolean {
    if (this.#taken.has(name)) return false;
    this.#taken.add(name);
    return true;
  }

  /** `hint`, or `hint_1`, `hint_2` … when it is taken. An empty name means "left out" in ONNX and is never given. */
  unique(hint: string): string {
    const base = hint === '' ? 'value' : hint;
    if (this.reserve(base)) return base;
    for (let i = this.#next.get(base) ?? 1; ; i++) {
      const name = `${base}_${i}`;
      if (!this.reserve(name)) continue;
      this.#next.set(base, i + 1);
      return name;
    }
  }
}

/** Names of values. */
export type ValueNames = Map<Value, string>;

/**
 * The path form that PyTorch's exporter gives nodes, so that viewers group by module: `a.layers.0.b` and `MatMul`
 * become `/a/layers.0/b/MatMul`.
 */
export function nodeNameOf(scope: string, op: string): string {
  return scope === '' ? op : `/${scope.replace(/\.(?!\d)/g, '/')}/${op}`;
}

/** What ONNX Runtime puts in front of names when it inlines a function or a branch. */
const INLINED = /^(?:\w+_)?_Inline_\d+__/;

/** A name without the traces of inlining. */
export function withoutInlining(name: string): string {
  return name.replace(INLINED, '');
}

/** The module path in a node's name, `''` when it has none. */
export function scopeOfNodeName(given: string): string {
  const name = withoutInlining(given);
  if (!name.startsWith('/')) return '';
  return name
    .slice(1)
    .split('/')
    .slice(0, -1)
    .filter((part) => part !== '')
    .join('.');
}

/** Where torch.export's ONNX exporter keeps the modules around a node: a Python list, outermost first. */
const TORCH_SCOPES = 'pkg.torch.onnx.name_scopes';

/** Whether torch.export's exporter wrote the node, and so its modules. */
export function isTorchExport({ metadataProps }: NodeProto): boolean {
  return metadataProps.some(({ key }) => key === TORCH_SCOPES);
}

/** The module path that a file gives for a node, `''` when it gives none. */
export function scopeOfNode({ name, metadataProps }: NodeProto): string {
  const scopes = metadataProps.find(({ key }) => key === TORCH_SCOPES)?.value;
  if (scopes === undefined) return scopeOfNodeName(name);
  const parts = [...scopes.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single ?? double ?? '');
  return parts.at(-2) ?? '';
}
