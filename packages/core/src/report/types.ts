import type { DataReport } from '../data/types.ts';
import type { JsonObject } from '../json.ts';
import type { Figure, Metric } from '../task.ts';
import type { TrainReport } from '../train/types.ts';

/** Quality and cost of one variant of the model on the test split. */
export interface VariantMetrics {
  /** Task metrics by name: `accuracy`, `f1`, `ece` … */
  readonly metrics: Readonly<Record<string, Metric>>;
  /** One row at its own length, milliseconds. */
  readonly latencyMsP50: number;
  /** The 95th percentile of the same. */
  readonly latencyMsP95: number;
  /** Rows per second at the evaluation batch size. */
  readonly throughput: number;
  /** Size of the ONNX file, weights included. */
  readonly bytes: number;
  /** Peak resident memory of a fresh process that loads and runs it, MiB. */
  readonly peakRssMb: number;
  /** Curves and tables by name. */
  readonly figures: Readonly<Record<string, Figure>>;
}

/** An audit's findings: written by `evaluate.auditModel` taps, one section each. */
export interface AuditSection {
  /** Heading. */
  readonly title: string;
  /** What was asked and how, for a reader; says what the audit cannot tell. */
  readonly method: string;
  /** Measured quantities; gates can name them as `<section>.<metric>`, e.g. `bias.flipRate`. */
  readonly metrics: Readonly<Record<string, Metric>>;
  /** By name. */
  readonly figures?: Readonly<Record<string, Figure>> | undefined;
  /** A few rows for a reader. */
  readonly samples?: readonly JsonObject[] | undefined;
}

/** A gate's verdict. */
export interface GateResult {
  /** Path of the quantity: `accuracy`, `size.ratio`, `latency.p95`, `bias.flipRate`. */
  readonly metric: string;
  /** As written: `>= 0.97`. */
  readonly condition: string;
  /** What was measured, in the unit of the quantity. */
  readonly value: number;
  /** Whether the condition holds; never for what is not a number. */
  readonly passed: boolean;
}

/** A comparison of a transformation with what it replaced, in plain words when something got worse. */
export interface HonestyCheck {
  /** What was compared: `lora fold`, `int8 quantization on onnx/cpu`. */
  readonly name: string;
  /** Whether it holds. */
  readonly passed: boolean;
  /** `max |Δlogit| 3.1e-6 over 64 rows`, `int8 is slower: 1.4 ms → 1.9 ms`. */
  readonly message: string;
}

/** `report.json`. */
export interface Report {
  /** Of this description. */
  readonly schemaVersion: 1;
  /** Of the build. */
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Things a reader must see first: what got larger, slower or worse. */
  readonly warnings: readonly string[];
  /** Where rows came from and went to. */
  readonly data: DataReport | undefined;
  /** One entry for each stage that trained. */
  readonly train: readonly TrainReport[];
  /** Measured on the test split. */
  readonly metrics: {
    /** The trained model at full precision. */
    readonly before: FlatMetrics | undefined;
    /** The compressed model; absent when nothing compresses. */
    readonly after: FlatMetrics | undefined;
  };
  /** Figures of the two variants. */
  readonly figures: {
    readonly before?: Readonly<Record<string, Figure>>;
    readonly after?: Readonly<Record<string, Figure>>;
  };
  /** Quality of a simple method on the same splits, for comparison; by name. */
  readonly baseline: Readonly<Record<string, Readonly<Record<string, Metric>>>>;
  /** Transformations compared with what they replaced. */
  readonly checks: readonly HonestyCheck[];
  /** Sections by name. */
  readonly audit: Readonly<Record<string, AuditSection>>;
  /** In the order of the config. */
  readonly gates: readonly GateResult[];
  /** One entry for each phase that ran. */
  readonly timings: readonly {
    readonly stage: string;
    readonly phase: string;
    readonly seconds: number;
    readonly cached: boolean;
  }[];
  /** What the numbers were measured on. */
  readonly environment: Readonly<Record<string, string | number>>;
  /** Sections of plugins. */
  readonly extra: Readonly<Record<string, JsonObject>>;
}

/** Task metrics and costs side by side: `{ accuracy: { value, ci95 }, latencyMsP50: 1.2, bytes: … }`. */
export type FlatMetrics = Readonly<Record<string, Metric | number>>;
