import type { Task } from '@anneal/core';

import { listed, problem } from '../problems.ts';

/** The classes of the task, and the one whose probability is compared. */
export interface Classes {
  readonly labels: readonly string[];
  readonly positive: number;
}

/** @throws AnnealError `BIAS_AUDIT_E_TASK`, `BIAS_AUDIT_E_LABEL` */
export function classesOf({ kind, labels }: Task, positiveLabel: string | undefined): Classes {
  if (kind !== 'classification' || labels === undefined) {
    throw problem('BIAS_AUDIT_E_TASK', `only classifiers can be audited, received a task of kind \`${kind}\``, {
      fix: 'remove `biasAudit` from this stage',
    });
  }
  if (positiveLabel === undefined && labels.length === 2) return { labels, positive: 1 };
  const positive = labels.indexOf(positiveLabel ?? '');
  if (positive >= 0) return { labels, positive };
  throw problem(
    'BIAS_AUDIT_E_LABEL',
    `\`positiveLabel\` must be one of ${listed(labels)}, received ${JSON.stringify(positiveLabel) ?? 'nothing'}`,
    { path: ['positiveLabel'] },
  );
}
