import { repeatedBlocks } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

const blocks = (...scopes: string[]): (string | undefined)[] => scopes.map(repeatedBlocks(scopes));

describe('repeated blocks', () => {
  it.each([
    ['Llama', 'model.layers.'],
    ['BERT', 'bert.encoder.layer.'],
    ['GPT-2', 'transformer.h.'],
    ['ONNX exporters', '/model/layers.'],
    ['TensorFlow exporters', 'tf_bert/encoder/layer_._'],
    ['a sequence', ''],
  ])('of %s', (_, path) => {
    const inner = path.includes('/') ? '/' : '.';
    expect(blocks('', `${path}0`, `${path}1${inner}mlp${inner}up`, `${path}11${inner}attention`, 'head')).toEqual([
      undefined,
      `${path}0`,
      `${path}1`,
      `${path}11`,
      undefined,
    ]);
  });

  it('are the outer ones', () => {
    expect(blocks('layers.0.experts.0', 'layers.0.experts.1', 'layers.1.experts.0')).toEqual([
      'layers.0',
      'layers.0',
      'layers.1',
    ]);
  });

  it('lie below something that there is only once', () => {
    expect(blocks('towers.0.layers.0', 'towers.0.layers.1.norm')).toEqual(['towers.0.layers.0', 'towers.0.layers.1']);
  });

  it('are apart in encoder and decoder', () => {
    expect(blocks('encoder.layers.0', 'encoder.layers.1', 'decoder.layers.0', 'decoder.layers.1')).toEqual([
      'encoder.layers.0',
      'encoder.layers.1',
      'decoder.layers.0',
      'decoder.layers.1',
    ]);
  });

  it.each([
    ['one block', ['layers.0', 'layers.0.mlp']],
    ['numbered names', ['layer1.conv', 'layer2.conv', 'conv1', 'conv2d_1', 'v2.0-rc']],
    ['no names', ['', '']],
  ])('are none in %s', (_, scopes) => {
    expect(blocks(...scopes)).toEqual(scopes.map(() => undefined));
  });

  it('are told of paths that were not there before', () => {
    const blockOf = repeatedBlocks(['layers.0', 'layers.1']);
    expect(blockOf('layers.1.lora')).toBe('layers.1');
    expect(blockOf('layers.7')).toBe('layers.7');
    expect(blockOf('heads.1')).toBeUndefined();
  });
});
