import { field, numberField, textField } from './protobuf.ts';

// onnxruntime-node 1.30 copies every output into a new ArrayBuffer, also one that was written into a buffer of ours:
// for a state of 67 MB that is 13 to 17 of 18 to 22 ms, and 380 instead of 220 MB. It converts outputs in the order of
// the model, after the run, and stops at the first that is no tensor. So a program whose outputs all have buffers gets
// an empty sequence as its first output: the run is over, the results are in our buffers, and the copies are never made.
// Other versions get programs without it, and copies.

/** Whether this version of the runtime was seen to run first and convert afterwards. */
export function canMute(version: string): boolean {
  return version === 'onnxruntime-node 1.30.0';
}

/** The name of the output that {@link muted} adds. */
export const MUTE = 'anneal.mute';

/** The model with an empty sequence as its first output. */
export function muted(model: Uint8Array): Uint8Array<ArrayBuffer> {
  // Protobuf merges messages that are written one after the other, and appends their lists.
  const prefix = fragment();
  const out = new Uint8Array(prefix.length + model.length);
  out.set(prefix);
  out.set(model, prefix.length);
  return out;
}

/** Whether an error says that the run is over and only the sequence could not be converted. */
export function isMuted(error: unknown): boolean {
  return error instanceof Error && error.message === 'Non tensor type is temporarily not supported.';
}

/** A ModelProto with one SequenceEmpty node whose result is an output. */
function fragment(): number[] {
  const node = [...textField(2, MUTE), ...textField(4, 'SequenceEmpty')];
  const float = numberField(1, 1);
  const type = field(4, field(1, field(1, float)));
  const output = [...textField(1, MUTE), ...field(2, type)];
  return field(7, [...field(1, node), ...field(12, output)]);
}
