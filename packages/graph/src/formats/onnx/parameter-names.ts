import { isTorchExport, Namer, scopeOfNode, withoutInlining } from './names.ts';
import type { NodeProto, StringStringEntryProto } from './proto/onnx_pb.ts';

/** Names that exporters give to tensors whose module they lost, e.g. `onnx::MatMul_123` for a transposed weight. */
const ANONYMOUS = /^(onnx::|_?val_|tensor_|_inlfunc_|\d+$)/;
/** Operators whose second input is a weight and third a bias. */
const WEIGHTED = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose', 'MatMulInteger', 'MatMulNBits']);

/** Where torch.export's ONNX exporter keeps the signature of the program: a line for each weight, input and output. */
const TORCH_SIGNATURE = 'pkg.torch.export.ExportedProgram.graph_signature';
const STORED = /^\w+: (?:PARAMETER|BUFFER) target='([^']+)'/gm;

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
 * - torch.export names it `val_91` and keeps the module path beside the node: `model.layers.0.q_proj.weight`, likewise.
 *   Of tied weights it takes the last name for all: a table `lm_head.weight` that only `model.embed_tokens` uses is
 *   `model.embed_tokens.weight`.
 * - onnxruntime-genai writes `model.layers.0.attn.q_proj.MatMul.weight`: the same without `MatMul`, transposed.
 * - Tools that fold constants leave `/model/Constant_output_0`: `model.Constant_output_0`.
 */
export class ParameterNames {
  readonly #users = new Map<string, User[]>();
  readonly #taken = new Namer();
  /** Names in the state_dict of the module, of a file that tells. */
  #stateDict: ReadonlySet<string> | undefined;

  /** Takes what a file says of the weights of the module that it came from. */
  describe(metadataProps: readonly StringStringEntryProto[]): void {
    const signature = metadataProps.find(({ key }) => key === TORCH_SIGNATURE)?.value;
    if (signature === undefined) return;
    this.#stateDict = new Set(Array.from(signature.matchAll(STORED), ([, target]) => target as string));
  }

  /** Tells which nodes use which names. */
  add(nodes: readonly NodeProto[]): void {
    for (const node of nodes) {
      node.input.forEach((name, index) => {
        if (name === '') return;
        const users = this.#users.get(name);
        if (users) users.push({ node, index });
        else this.#users.set(name, [{ node, index }]);
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
    if (this.#isAnonymous(name)) return this.#fromUser(name, rank) ?? { name, transposed: false };
    const { name: clean, transposed } = cleanName(name, rank);
    return { name: this.#tied(name, clean) ?? clean, transposed };
  }

  #isAnonymous(name: string): boolean {
    // What torch.export computed once has the name of the operator: `expand_1`.
    return ANONYMOUS.test(withoutInlining(name)) || (this.#stateDict !== undefined && !this.#stateDict.has(name));
  }

  /** The name of a weight that torch.export calls by another module than those that use it. */
  #tied(name: string, clean: string): string | undefined {
    const users = this.#users.get(name) ?? [];
    const dot = clean.lastIndexOf('.');
    if (dot < 0 || users.length === 0 || !users.every(({ node }) => isTorchExport(node))) return undefined;
    const module = clean.slice(0, dot);
    const scopes = users.map(({ node }) => scopeOfNode(node));
    if (scopes.some((scope) => scope === '' || isWithin(scope, module) || isWithin(module, scope))) return undefined;
    return `${scopes[0]}${clean.slice(dot)}`;
  }

  #fromUser(name: string, rank: number): ParameterIdentity | undefined {
    const [user] = this.#users.get(name) ?? [];
    const scope = user ? scopeOfNode(user.node) : '';
    if (user === undefined || (scope === '' && this.#stateDict === undefined)) return undefined;
    const { node, index } = user;
    const within = scope === '' ? '' : `${scope}.`;
    if (WEIGHTED.has(node.opType) && index === 1) {
      return { name: `${within}weight`, transposed: node.opType === 'MatMul' && rank === 2 };
    }
    if ((WEIGHTED.has(node.opType) && index === 2) || (node.opType === 'Add' && rank === 1)) {
      return { name: `${within}bias`, transposed: false };
    }
    return { name: `${within}${node.opType}_${index}`, transposed: false };
  }
}

interface User {
  readonly node: NodeProto;
  readonly index: number;
}

function isWithin(module: string, outer: string): boolean {
  return module === outer || module.startsWith(`${outer}.`);
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
