export {
  demographicParityDifference,
  demographicParityRatio,
  equalizedOddsDifference,
  type EqualizedOddsOptions,
  equalizedOddsRatio,
  falsePositiveRates,
  type GroupedPredictions,
  type LabelledPredictions,
  selectionRates,
  truePositiveRates,
} from './metrics/fairness.ts';
export type { BiasAuditOptions, NameSource } from './options.ts';
export { biasAudit, biasAudit as default } from './plugin.ts';
export { BIAS_AUDIT_CODES, type BiasAuditCode } from './problems.ts';
