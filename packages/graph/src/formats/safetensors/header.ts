import { DTYPES, type DType } from '../../dtype.ts';
import { byteLengthOf, sizeOf } from '../../tensor.ts';
import { formatError } from '../error.ts';

/**
 * Element types of the format, in the order that the reference implementation declares them: it sorts tensors by it,
 * the last one first, so that every tensor starts at a multiple of its element size.
 */
export const SAFETENSORS_DTYPES: readonly (readonly [code: string, dtype: DType])[] = [
  ['BOOL', 'bool'],
  ['F4', 'float4e2m1'],
  ['U8', 'uint8'],
  ['I8', 'int8'],
  ['F8_E5M2', 'float8e5m2'],
  ['F8_E4M3', 'float8e4m3fn'],
  ['F8_E8M0', 'float8e8m0'],
  ['F8_E4M3FNUZ', 'float8e4m3fnuz'],
  ['F8_E5M2FNUZ', 'float8e5m2fnuz'],
  ['I16', 'int16'],
  ['U16', 'uint16'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I32', 'int32'],
  ['U32', 'uint32'],
  ['F32', 'float32'],
  ['C64', 'complex64'],
  ['F64', 'float64'],
  ['I64', 'int64'],
  ['U64', 'uint64'],
];

const byCode: ReadonlyMap<string, DType> = new Map(SAFETENSORS_DTYPES);

/** The key of the header that is not a tensor. */
export const METADATA_KEY = '__metadata__';
/** Bytes before the header: its length. */
export const PREFIX_BYTES = 8;
/** The limit of the reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

/** One tensor of a header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Offsets into the data that follows the header. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their data. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Checks a header against the bytes that follow it: tensors must cover them without gaps or overlaps. */
export function parseHeader(text: string, dataBytes: number, file: string): Header {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw formatError({ file, offset: PREFIX_BYTES }, 'the header is not valid JSON', { cause: error });
  }
  if (!isRecord(json)) throw formatError({ file, offset: PREFIX_BYTES }, 'the header is not an object');
  let metadata: Readonly<Record<string, string>> = {};
  const entries: HeaderEntry[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA_KEY) metadata = parseMetadata(value, file);
    else entries.push(parseEntry(name, value, file));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== at) {
      const what = begin < at ? 'overlaps the tensor before it' : 'leaves a gap behind the tensor before it';
      throw formatError({ file, tensor: name }, `its data, bytes ${begin} to ${end}, ${what}, which ends at ${at}`);
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw formatError({ file }, `the header describes ${at} bytes of data, the file has ${dataBytes}: truncated?`);
  }
  return { entries, metadata };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((item) => typeof item === 'string')) {
    throw formatError({ file, offset: PREFIX_BYTES }, `${METADATA_KEY} must map strings to strings`);
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown, file: string): HeaderEntry {
  const fail = (message: string): Error => formatError({ file, tensor: name }, message);
  if (!isRecord(value)) throw fail('is not described by an object');
  const { dtype: code, shape, data_offsets: offsets } = value;
  const dtype = typeof code === 'string' ? byCode.get(code) : undefined;
  if (dtype === undefined) throw fail(`the element type ${JSON.stringify(code)} is not supported`);
  if (!isNumbers(shape)) throw fail('its shape must be a list of whole numbers');
  if (!isNumbers(offsets) || offsets.length !== 2) throw fail('its data_offsets must be two whole numbers');
  const [begin, end] = offsets as [number, number];
  const bits = sizeOf(shape) * DTYPES[dtype].bits;
  if (!Number.isSafeInteger(bits)) throw fail(`[${shape.join(', ')}] has more elements than any file can hold`);
  if (bits % 8 !== 0) throw fail(`[${shape.join(', ')}] elements of ${String(code)} do not fill whole bytes`);
  const bytes = byteLengthOf(dtype, shape);
  if (end - begin !== bytes) {
    throw fail(`${String(code)}[${shape.join(', ')}] takes ${bytes} bytes, its data_offsets span ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
