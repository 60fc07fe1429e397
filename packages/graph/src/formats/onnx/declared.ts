import type { TensorType } from '../../infer/index.ts';
import type { Value } from '../../ir.ts';
import { valueTypeOf } from './from-proto.ts';
import type { NodeProto, ValueInfoProto } from './proto/onnx_pb.ts';
import type { Scope } from './scope.ts';
import { Symbols } from './symbols.ts';

/** What the file says about types, in the symbols used here. */
export class DeclaredTypes {
  readonly symbols: Symbols = new Symbols();
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** The type of a value that nothing has computed yet, as an input of an inner graph is. */
  ofInput(info: ValueInfoProto): TensorType | undefined {
    const type = this.#read(info);
    return type && { dtype: type.dtype, shape: this.symbols.translate(type.shape) };
  }

  /** The type of a value by its name. */
  of(name: string, scope: Scope): TensorType | undefined {
    const info = scope.info(name);
    return info && this.ofInput(info);
  }

  /** The types of a node's outputs, when the file gives all of them. */
  ofOutputs({ output }: NodeProto, scope: Scope): readonly TensorType[] | undefined {
    const types: TensorType[] = [];
    for (const name of output) {
      const type = this.of(name, scope);
      if (type === undefined && name !== '') return undefined;
      types.push(type ?? { dtype: 'float32', shape: [] });
    }
    return types;
  }

  /** Learns what the file's symbols are here, from inferred types. */
  match(values: readonly (Value | undefined)[], { output }: NodeProto, scope: Scope): void {
    values.forEach((value, i) => {
      if (value === undefined || value.shape.every((dim) => typeof dim === 'number')) return;
      const info = scope.info(output[i] as string);
      const declared = info && this.#read(info);
      if (declared) this.symbols.match(declared.shape, value.shape);
    });
  }

  #read(info: ValueInfoProto): TensorType | undefined {
    return valueTypeOf(info, this.#file, () => this.symbols.fresh());
  }
}
