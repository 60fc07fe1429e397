import type { Value } from '../../ir.ts';
import type { ValueInfoProto } from './proto/onnx_pb.ts';

/** Values by ONNX name: of a graph, or of a branch that also sees the names around it. */
export class Scope {
  readonly #values = new Map<string, Value | undefined>();
  readonly #infos = new Map<string, ValueInfoProto>();
  readonly #outer: Scope | undefined;
  /** The module of nodes that do not name one themselves. */
  readonly module: string;
  /** Calls and branches around it. */
  readonly depth: number;
  /** Version of ai.onnx that its nodes are written in. */
  readonly opset: number;

  constructor(opset: number, outer?: Scope, module: string = '', depth: number = 0) {
    this.opset = opset;
    this.#outer = outer;
    this.module = module;
    this.depth = depth;
  }

  find(name: string): Value | undefined {
    return this.#values.has(name) ? this.#values.get(name) : this.#outer?.find(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Whether the name is that of an input that the call leaves out. */
  isLeftOut(name: string): boolean {
    return this.#values.has(name) ? this.#values.get(name) === undefined : (this.#outer?.isLeftOut(name) ?? false);
  }

  set(name: string, value: Value | undefined): void {
    this.#values.set(name, value);
  }

  describe(infos: readonly ValueInfoProto[]): void {
    for (const info of infos) {
      // An output may be listed without a type and have one among the values.
      if (info.type !== undefined || !this.#infos.has(info.name)) this.#infos.set(info.name, info);
    }
  }

  /** What the file says about the type of a value. */
  info(name: string): ValueInfoProto | undefined {
    return this.#infos.get(name) ?? this.#outer?.info(name);
  }
}
