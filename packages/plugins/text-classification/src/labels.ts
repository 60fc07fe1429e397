import { AnnealError, type Dataset, type Row } from '@anneal/core';

/** The class of a row as a name; `undefined` when it has none. */
export function labelOf(row: Row, column: string): string | undefined {
  const value = row[column];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

/**
 * Class names in the order of their numbers: as given, or those of the training rows, sorted.
 *
 * @throws AnnealError `ANNEAL_E_DATA` when a row of any split has no class or an unknown one, or all have the same.
 */
export function resolveLabels(dataset: Dataset, column: string, given: readonly string[] | undefined): string[] {
  const train = dataset.splits['train'] ?? [];
  const found = new Set<string>();
  for (const row of train) {
    const label = labelOf(row, column);
    if (label !== undefined) found.add(label);
  }
  if (train.length === 0) throw new AnnealError('ANNEAL_E_DATA', 'the `train` split is empty, received 0 rows');
  if (found.size === 0) {
    const columns = listed(Object.keys(train[0] as Row));
    throw new AnnealError('ANNEAL_E_DATA', `no row has a class in \`${column}\`, received the columns ${columns}`, {
      fix: 'name the column of the class in `labelColumn`',
    });
  }
  if (found.size < 2) {
    const rows = `${train.length} training rows`;
    throw new AnnealError('ANNEAL_E_DATA', `all ${rows} are of one class, received ${listed(found)}`, {
      fix: 'a classifier needs rows of at least two classes',
    });
  }
  const labels = given === undefined ? [...found].sort() : [...given];
  checkRows(dataset, column, new Set(labels));
  return labels;
}

function checkRows(dataset: Dataset, column: string, known: ReadonlySet<string>): void {
  for (const [split, rows] of Object.entries(dataset.splits)) {
    rows.forEach((row, index) => {
      const label = labelOf(row, column);
      if (label !== undefined && known.has(label)) return;
      throw unknownLabel(row, `row ${index} of split \`${split}\``, column, known);
    });
  }
}

/** The error for a row whose class cannot be used. */
export function unknownLabel(row: Row, where: string, column: string, known: Iterable<string>): AnnealError {
  const label = labelOf(row, column);
  const id = row['id'] === undefined ? '' : ` (id ${JSON.stringify(row['id'])})`;
  return new AnnealError(
    'ANNEAL_E_DATA',
    label === undefined
      ? `${where}${id} has no class in \`${column}\`, received ${JSON.stringify(row[column])}`
      : `${where}${id} has an unknown class, received "${label}"`,
    { fix: `the classes are ${listed(known)}; map or drop other rows in the data` },
  );
}

export function listed(names: Iterable<string>): string {
  const all = [...names];
  const shown = all.slice(0, 12).map((name) => `"${name}"`);
  return shown.join(', ') + (all.length > 12 ? ` and ${all.length - 12} more` : '');
}
