/** The classes that the page adapts the model to. */
export const LABELS: readonly string[] = ['personal', 'newsletter', 'spam'];

export type Mail = { readonly text: string; readonly label: string };

/** `mails.json`. */
export interface Mails {
  readonly train: readonly Mail[];
  readonly test: readonly Mail[];
}
