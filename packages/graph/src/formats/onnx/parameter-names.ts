import { Namer, scopeOfNodeName, withoutInlining } from './names.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** Names that exporters give to tensors whose module they lost, e.g. `onnx::MatMul_123` for a transposed weight. */
const ANONYMOUS = /^(onnx::|_?val_|tensor_|_inlfunc_|\d+$)/;
/** Operators whose second input is a weight and third a bias. */
const WEIGHTED = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose', 'MatMulInteger', 'MatMulNBits']);

export interface ParameterIdentity {
  readonly name: string;
  /** See `Parameter.transposed`. */
  readonly transposed: boolean;
}

/**
 * Gives initializers the module paths of the checkpoint that they came from. Most exporters keep those as names; where
 * they do not, the node that uses the tensor tells:
 *
 * - PyTorch folds the transpose of a linear weight into an anonymous tensor, used by
 *   `/model/layers.0/q_proj/MatMul`: `model.layers.0.q_proj.weight`, transposed.
 * - onnxruntime-genai writes `model.layers.0.attn.q_proj.MatMul.weight`: the same without `MatMul`, transposed.
 * - Tools that fold constants leave `/model/Constant_output_0`: `model.Constant_output_0`.
 */
export class ParameterNames {
  readonly #users = new Map<string, { readonly node: NodeProto; readonly index: number }>();
  readonly #taken = new Namer();

  /** Tells which node is the first to use a name. */
  add(nodes: readonly NodeProto[]): void {
    for (const node of nodes) {
      node.input.forEach((name, index) => {
        if (name !== '' && !this.#users.has(name)) this.#users.set(name, { node, index });
      });
    }
  }

  /** Takes a name as it is, or close to it. */
  reserve(name: string): string {
    return this.#taken.unique(name);
  }

  identify(name: string, rank: number): ParameterIdentity {
    const found = this.#derive(name, rank);
    return { name: this.#taken.unique(found.name), transposed: found.transposed };
  }

  #derive(name: string, rank: number): ParameterIdentity {
    if (ANONYMOUS.test(withoutInlining(name))) return this.#fromUser(name, rank) ?? { name, transposed: false };
    return cleanName(name, rank);
  }

  #fromUser(name: string, rank: number): ParameterIdentity | undefined {
    const user = this.#users.get(name);
    const scope = user ? scopeOfNodeName(user.node.name) : '';
    if (user === undefined || scope === '') return undefined;
    const { node, index } = user;
    if (WEIGHTED.has(node.opType) && index === 1) {
      return { name: `${scope}.weight`, transposed: node.opType === 'MatMul' && rank === 2 };
    }
    if ((WEIGHTED.has(node.opType) && index === 2) || node.opType === 'Add') {
      return { name: `${scope}.bias`, transposed: false };
    }
    return { name: `${scope}.${node.opType}_${index}`, transposed: false };
  }
}

function cleanName(given: string, rank: number): ParameterIdentity {
  const name = withoutInlining(given);
  if (name.startsWith('/')) return { name: name.slice(1).replaceAll('/', '.'), transposed: false };
  const short = name.replace(/\.MatMul(?:NBits)?\.(?=\w+$)/, '.');
  return { name: short, transposed: short !== name && short.endsWith('.weight') && rank === 2 };
}

/** Whether a reader would give a parameter of this name another one. */
export function isRenamedOnRead(name: string): boolean {
  return ANONYMOUS.test(name) || cleanName(name, 2).name !== name;
}
