import type { Json } from '../../format/json.ts';
import type { LayerRule } from '../context.ts';
import { denseRules } from './dense.ts';
import { mergeRules } from './merge.ts';
import { recurrentRules } from './recurrent.ts';
import { spatialRules } from './spatial.ts';
import { bidirectional, timeDistributed } from './wrappers.ts';

/** How each layer of Keras is computed, by class name. */
export const LAYERS: Readonly<Record<string, LayerRule>> = {
  ...denseRules,
  ...mergeRules,
  ...spatialRules,
  ...recurrentRules,
  Bidirectional: bidirectional(layerRule),
  TimeDistributed: timeDistributed(layerRule),
};

/**
 * The rule of a layer.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` for a layer that is not one of Keras, such as one that its author defined.
 */
export function layerRule(place: Json): LayerRule {
  const name = place.get('class_name').string();
  const rule = Object.hasOwn(LAYERS, name) ? LAYERS[name] : undefined;
  if (rule !== undefined) return rule;
  const own = place.get('config').get('name').string('');
  throw place
    .get('class_name')
    .error(
      `the layer "${own}" is of the class "${name}", which is custom or not supported`,
      'say how it is computed (customLayers in importTfjs), or save the model as a graph model, whose operators are known',
    );
}
