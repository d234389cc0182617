// A device of its own with channels, in a process whose network namespace is the device's. Requests come as JSON
// lines on standard input, one answer a line goes back.
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { connect, createServer } from 'node:tls';
import { generateIdentity, type Identity } from '../../../host-plugins/pairing/identity.ts';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import { testDevice } from '../pairing/two-devices.ts';
import { answerLines } from '../plugins/answer-lines.ts';
import { deviceMethods } from './device-methods.ts';

const [name = '', address = '', port = '0', patienceMs = '600000', folder = ''] = process.argv.slice(2);
const identity = await sameIdentity(join(folder, 'identity.json'));
const trustFile = join(folder, 'devices.json');
const device = await testDevice(name, {
  identity,
  trustFile,
  address,
  port: Number(port),
  patienceMs: Number(patienceMs),
});
const never = new AbortController().signal;
const blockBytes = 256 * 1024;

/** What came over a channel `bulk/*`. */
interface Sink {
  bytes: number;
  readonly hash: Hash | undefined;
  state: 'open' | 'ended' | 'broken';
}
const sinks = new Map<string, Sink>();
/** What is under way from here. */
const jobs = new Map<string, Promise<object>>();

device.channels.accept('bulk/*', async (request) => sinkFor(request.name, true));
device.channels.accept('fast/*', async (request) => sinkFor(request.name, false));
device.channels.accept('echo/*', async () => {
  const [outside, inside] = duplexPair();
  inside.pipe(inside);
  return outside;
});

/** A device is the same one in its next life. */
async function sameIdentity(file: string): Promise<Identity> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Identity;
  } catch {
    const made = await generateIdentity(name);
    await writeFile(file, JSON.stringify(made));
    return made;
  }
}

function sinkFor(channel: string, hashed: boolean): Duplex {
  const [outside, inside] = duplexPair({ highWaterMark: blockBytes });
  const sink: Sink = { bytes: 0, hash: hashed ? createHash('sha256') : undefined, state: 'open' };
  sinks.set(channel, sink);
  inside.on('data', (chunk: Buffer) => {
    sink.bytes += chunk.length;
    sink.hash?.update(chunk);
  });
  inside.once('end', () => {
    sink.state = 'ended';
    inside.end();
  });
  outside.once('close', () => {
    if (sink.state === 'open') sink.state = 'broken';
  });
  return outside;
}

/** Writes until so many bytes are there, and waits for the other end to have them. */
async function write(stream: Duplex, bytes: number, hash: Hash | undefined): Promise<void> {
  const block = randomBytes(blockBytes);
  for (let sent = 0; sent < bytes; sent += blockBytes) {
    let next = block.subarray(0, bytes - sent);
    if (hash !== undefined) {
      next = Buffer.from(next);
      next.writeUInt32BE(sent / blockBytes, 0);
      hash.update(next);
    }
    if (!stream.write(next)) await once(stream, 'drain');
  }
  stream.end();
}

async function send(
  deviceId: string,
  channel: string,
  bytes: number,
  priority: 'urgent' | 'bulk',
): Promise<object> {
  const { stream } = await device.channels.open(deviceId, channel, never, priority);
  stream.resume();
  // both reject with the stream's error, and so does what waits for them below
  const [finished, closed] = [once(stream, 'finish'), once(stream, 'close')];
  for (const each of [finished, closed]) each.catch(() => undefined);
  const hash = channel.startsWith('bulk/') ? createHash('sha256') : undefined;
  const began = performance.now();
  await Promise.race([write(stream, bytes, hash), closed.then(() => undefined)]);
  await finished;
  const ms = performance.now() - began;
  await closed;
  return { ms, sha256: hash?.digest('hex') };
}

const methods: Record<string, (...params: never[]) => unknown> = {
  ...deviceMethods(device),
  forget: (other: string) => device.trust.forget(other).then(() => undefined),
  /** Begins; `finish` waits. */
  send: (job: string, deviceId: string, channel: string, bytes: number, priority: 'urgent' | 'bulk') => {
    const running = send(deviceId, channel, bytes, priority).catch((error: unknown) => ({
      error: DockError.from(error).toData() satisfies DockErrorData,
    }));
    jobs.set(job, running);
  },
  finish: (job: string) => jobs.get(job),
  sink: (channel: string) => {
    const sink = sinks.get(channel);
    return sink === undefined
      ? undefined
      : {
          bytes: sink.bytes,
          state: sink.state,
          sha256: sink.state === 'ended' ? sink.hash?.copy().digest('hex') : undefined,
        };
  },
  /** How long single bytes take to the other device and back, ms. */
  echo: async (deviceId: string, count: number, pauseMs: number) => {
    const { stream } = await device.channels.open(deviceId, 'echo/x', never);
    const times: number[] = [];
    for (let at = 0; at < count; at++) {
      const began = performance.now();
      stream.write('x');
      await once(stream, 'data');
      times.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    stream.destroy();
    return times;
  },
  openAndClose: async (deviceId: string, count: number) => {
    for (let at = 0; at < count; at++) {
      const { stream } = await device.channels.open(deviceId, `fast/${at % 50}`, never);
      stream.resume();
      stream.end('x');
      await once(stream, 'close');
    }
  },
  /** Who this device is to the other one, asked of it in a call that is patient for so long. */
  askName: (deviceId: string, patienceMs: number) =>
    device.peers.call(deviceId, 'whoAmI', {}, { signal: never, patienceMs }),
  facts: () =>
    device.channels.sessions.map(({ links, channelCount, resentBytes }) => ({
      links,
      channelCount,
      resentBytes,
    })),
  /** A bare TLS connection between the same two processes, as the measure of all. */
  bareListen: async () => {
    const { certificatePem: cert, privateKeyPem: key } = device.identity;
    const server = createServer(
      { cert, key, minVersion: 'TLSv1.3', allowHalfOpen: true } as object,
      (socket) => {
        let bytes = 0;
        socket.on('data', (chunk) => {
          bytes += chunk.length;
        });
        socket.once('end', () => socket.end(String(bytes)));
      },
    );
    server.listen(0, address);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  bareSend: async (host: string, port: number, bytes: number) => {
    const socket = connect({ host, port, rejectUnauthorized: false, allowHalfOpen: true } as object);
    await once(socket, 'secureConnect');
    const began = performance.now();
    const answered = once(socket, 'data');
    await write(socket, bytes, undefined);
    await answered;
    const ms = performance.now() - began;
    socket.destroy();
    return { ms };
  },
  stop: () => {
    process.exit(0);
  },
};

process.stdout.write('ready\n');
await answerLines(async (line) => {
  const { method, params } = JSON.parse(line) as { method: string; params: never[] };
  return await methods[method]?.(...params);
});
await device[Symbol.asyncDispose]();
process.exit(0);
