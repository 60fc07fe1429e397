import { attributes, type CaseInput, type CaseSpec, type CaseTable, given, of, random } from './spec.ts';

const [steps, batch, size, hidden] = [3, 2, 3, 2];

/** Weights of a recurrent layer of `gates` gates, small enough not to saturate it. */
function layer(
  label: string,
  gates: number,
  values: Parameters<typeof attributes>[0] = {},
  more: readonly (CaseInput | undefined)[] = [],
  directions = 1,
): CaseSpec {
  const rows = gates * hidden;
  const weights = [
    random([steps, batch, size], -1, 1),
    random([directions, rows, size], -1, 1),
    random([directions, rows, hidden], -1, 1),
    random([directions, 2 * rows], -1, 1),
  ];
  return of(label, [...weights, ...more], {
    attributes: attributes({ hidden_size: hidden, ...values }),
    outputs: gates === 4 ? 3 : 2,
  });
}

const state = (directions = 1): CaseInput => random([directions, batch, hidden], -1, 1);

const lengths = given([2, 3], [2], 'int32');

function directions(gates: number): CaseSpec[] {
  return [
    layer('forward', gates),
    layer('backward', gates, { direction: 'reverse' }),
    layer('both ways, with lengths', gates, { direction: 'bidirectional' }, [lengths], 2),
    layer('given state', gates, {}, [undefined, state()]),
  ];
}

export const recurrent: CaseTable<'LSTM' | 'GRU' | 'RNN'> = {
  LSTM: [
    ...directions(4),
    layer('peepholes', 4, {}, [undefined, state(), state(), random([1, 3 * hidden], -1, 1)]),
    layer('coupled gates', 4, { input_forget: 1 }),
  ],
  GRU: [...directions(3), layer('linear before reset', 3, { linear_before_reset: 1 })],
  RNN: directions(1),
};
