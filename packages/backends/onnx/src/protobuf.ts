/** A length-delimited protobuf field; all that are written by hand here are shorter than 128 bytes. */
export function field(number: number, bytes: readonly number[]): number[] {
  return [(number << 3) | 2, bytes.length, ...bytes];
}

/** A field that holds a number below 128. */
export function numberField(number: number, value: number): number[] {
  return [number << 3, value];
}

/** A field that holds a text of ASCII. */
export function textField(number: number, text: string): number[] {
  return field(number, [...new TextEncoder().encode(text)]);
}
