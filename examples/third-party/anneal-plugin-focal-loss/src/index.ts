export { focalLoss, focalLoss as default, type FocalLossOptions } from './plugin.ts';
