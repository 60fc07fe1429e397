// A build by the API of the project in the working directory, watched: prints what it did to the process and the network.
import dgram from 'node:dgram';
import dns from 'node:dns';
import net from 'node:net';
import { join } from 'node:path';

const [outDir, cacheDir] = process.argv.slice(2);

const network = [];
const note =
  (what) =>
  (...args) => {
    network.push(what);
    throw new Error(`${what} ${JSON.stringify(args[0])}`);
  };
const { connect } = net.Socket.prototype;
// Pipes between processes are sockets, too, but have no port.
net.Socket.prototype.connect = function (...args) {
  const target = Array.isArray(args[0]) ? args[0][0] : args[0];
  return typeof target === 'object' && target?.path ? connect.apply(this, args) : note('connect')(target);
};
dgram.Socket.prototype.send = note('dgram');
for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6']) dns[name] = dns.promises[name] = note(`dns.${name}`);
globalThis.fetch = note('fetch');

const state = () => ({
  globals: Reflect.ownKeys(globalThis).map(String).toSorted(),
  env: { ...process.env },
  cwd: process.cwd(),
  title: process.title,
  exitCode: process.exitCode ?? null,
  listeners: Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)])),
});

const { createPipeline } = await import('@anneal/core');
const { default: config } = await import(join(process.cwd(), 'anneal.config.mjs'));
process.exit = note('process.exit');
const before = state();
const root = process.cwd();
const pipeline = await createPipeline({ ...config, outDir, cacheDir }, { root });
const { accepted } = await pipeline.run();
await pipeline.run({ force: true });
await pipeline.close();
process.stdout.write(JSON.stringify({ accepted, network, before, after: state() }));
