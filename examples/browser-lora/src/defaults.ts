/** What a visitor may change. */
export interface Settings {
  readonly epochs: number;
  readonly r: number;
}

export const DEFAULTS: Settings = { epochs: 4, r: 8 };
