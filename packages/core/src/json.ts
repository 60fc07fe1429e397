/** What JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };
/** JSON with names. */
export type JsonObject = { readonly [key: string]: JsonValue | undefined };
