import { type Backend, evaluate } from '@anneal/graph';
import { BACKEND_CASES } from './backend-cases.ts';
import { differenceOf } from './compare.ts';
import { type OpCase, opCases } from './op-cases.ts';

/** One test: it passes when `run` resolves. */
export interface BackendTest {
  /** As test runners show it, and as `xfails` name it. */
  readonly name: string;
  /** Rejects when the backend fails. */
  readonly run: () => Promise<void>;
}

/** How {@link testBackend} runs. */
export interface TestBackendOptions {
  /**
   * Tests that the backend is known to fail, and why: `{ 'Mod: fmod of floats': 'no kernel for floats' }`, from a file by
   * {@link parseXfails}. `*` stands for anything. Strict: each of them must fail, and each name must be that of a test.
   */
  readonly xfails?: Readonly<Record<string, string>> | undefined;
  /** Registers a test, for example vitest's `it`. */
  readonly it?: ((name: string, run: () => Promise<void>) => unknown) | undefined;
}

/** Runs a case and compares every output with the reference interpreter's. */
async function runOpCase(backend: Backend, { name, graph, feeds, tolerance }: OpCase): Promise<void> {
  const program = await backend.compile(graph, { label: name });
  try {
    const actual = await program.run(feeds);
    const wrong = Object.entries(evaluate(graph, feeds)).flatMap(([output, expected]) => {
      const received = actual[output];
      const difference = received ? differenceOf(received, expected, tolerance[output]) : 'is not there';
      return difference === undefined ? [] : [`${output}: ${difference}`];
    });
    if (wrong.length > 0) throw new Error(`${name}: ${wrong.join('\n')}`);
  } finally {
    await program.dispose();
  }
}

/**
 * Expected failures from a text of lines `name of the test  # why`; empty lines and lines that begin with `#` say nothing.
 *
 * @throws Error for a line without a reason.
 */
export function parseXfails(text: string): Record<string, string> {
  const xfails: Record<string, string> = {};
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, reason] = /^(.+?)\s+#\s*(\S.*)$/.exec(line) ?? [];
    if (name === undefined || reason === undefined) throw new Error(`the expected failure "${line}" has no reason`);
    xfails[name] = reason;
  }
  return xfails;
}

/** Whether a name is a pattern's, in which `*` stands for anything. */
function matches(pattern: string, name: string): boolean {
  const [start = '', ...rest] = pattern.split('*');
  const end = rest.pop();
  if (end === undefined) return name === pattern;
  if (!name.startsWith(start)) return false;
  let at = start.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - at >= end.length && name.endsWith(end);
}

/** The test turned around: it passes when the given one fails. */
function expectFailure({ name, run }: BackendTest, reason: string): BackendTest {
  return {
    name: `${name} (fails: ${reason})`,
    run: async () => {
      const failed = await run().then(
        () => false,
        () => true,
      );
      if (!failed) throw new Error(`"${name}" passes, remove it from the expected failures ("${reason}")`);
    },
  };
}

/**
 * The conformance suite of backends: every operator in a few hundred cases against the reference interpreter, and what
 * `Backend` promises about programs and state. Returns the tests, and registers them when `it` is given:
 *
 * ```ts
 * testBackend(() => onnx(), { it });
 * ```
 *
 * @param backend - the backend, or how to get it: called once, when the first test runs.
 */
export function testBackend(
  backend: Backend | (() => Backend | Promise<Backend>),
  { xfails = {}, it }: TestBackendOptions = {},
): readonly BackendTest[] {
  let opened: Promise<Backend> | undefined;
  const open = (): Promise<Backend> =>
    (opened ??= Promise.resolve(typeof backend === 'function' ? backend() : backend));
  const all: BackendTest[] = [
    ...[...opCases()].map((opCase) => ({ name: opCase.name, run: async () => runOpCase(await open(), opCase) })),
    ...BACKEND_CASES.map(({ name, run }) => ({ name: `backend: ${name}`, run: async () => run(await open()) })),
  ];
  const used = new Set<string>();
  const tests = all.map((test) => {
    const pattern = Object.keys(xfails).find((key) => matches(key, test.name));
    if (pattern === undefined) return test;
    used.add(pattern);
    return expectFailure(test, xfails[pattern] as string);
  });
  const unknown = Object.keys(xfails).filter((pattern) => !used.has(pattern));
  if (unknown.length > 0) {
    tests.push({
      name: 'expected failures are tests',
      run: () => Promise.reject(new Error(`no test is called ${unknown.map((name) => `"${name}"`).join(', ')}`)),
    });
  }
  for (const { name, run } of tests) it?.(name, run);
  return tests;
}
