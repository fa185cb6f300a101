/**
 * What a caller sees at a front. Through that of the sample application megabytes go there and back and are compared; a
 * resource of the user is only connected to, since nobody knows what sending it something would do.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type Socket, connect } from 'node:net';
import { DemoError } from './errors.ts';
import { type Exposed, addressOf } from './exposed.ts';
import type { Reached } from './setup.ts';

const uploadBytes = 8 * 1024 * 1024;
const answerWithinMs = 30_000;
const connectWithinMs = 5_000;
/** Services that speak first do so at once; one that stays silent for this long waits for its caller. */
const speakWithinMs = 1_000;
const greetingShown = 40;

/** What was seen at one front. */
export interface Seen {
  readonly ok: boolean;
  readonly text: string;
}

/** Tries one front; never rejects. */
export async function check({ front, exposed }: Reached): Promise<Seen> {
  try {
    return {
      ok: true,
      text: exposed === null ? await checkSample(front) : await checkExposed(exposed, front),
    };
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) };
  }
}

async function checkSample(front: Exposed): Promise<string> {
  const asked = performance.now();
  const greeting = await send(front, 'GET', '/hello', null);
  const requestMs = performance.now() - asked;
  if (!greeting.toString().includes('GET /hello'))
    throw failed('GET /hello was not answered by the sample application');
  const body = randomBytes(uploadBytes);
  const started = performance.now();
  const back = await send(front, 'PUT', '/upload', body);
  const seconds = (performance.now() - started) / 1000;
  if (hash(back) !== hash(body))
    throw failed(`${back.length} of ${body.length} bytes came back, and not the same`);
  const megabytes = uploadBytes / 1024 / 1024;
  return `GET answered in ${Math.ceil(requestMs)} ms; ${megabytes} MiB there and back unchanged, ${Math.round(megabytes / seconds)} MiB/s each way`;
}

async function checkExposed(resource: Exposed, front: Exposed): Promise<string> {
  // What the resource does by itself tells apart its own faults from those of the way to it.
  await look(resource).catch((error: Error) => {
    throw new DemoError(
      'DEMO_RESOURCE_UNREACHABLE',
      `${addressOf(resource)} cannot be reached from here: ${error.message}`,
    );
  });
  const greeting = await look(front);
  if (greeting === null) return 'connected; it waits for its caller to speak';
  return `connected; it says ${JSON.stringify(greeting.toString('latin1').slice(0, greetingShown).trimEnd())}`;
}

/** The first bytes that come, or null when the connection stays open and silent. */
async function look({ host, port }: Exposed): Promise<Buffer | null> {
  const socket = connect({ host, port, signal: AbortSignal.timeout(connectWithinMs) });
  try {
    await once(socket, 'connect');
    return await Promise.race([firstBytes(socket), silence(socket)]);
  } finally {
    socket.destroy();
  }
}

async function firstBytes(socket: Socket): Promise<Buffer> {
  const ended = once(socket, 'end').then(() => Promise.reject(failed('the connection was closed at once')));
  const [bytes] = (await Promise.race([once(socket, 'data'), ended])) as [Buffer];
  return bytes;
}

function silence(socket: Socket): Promise<null> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, speakWithinMs, null);
    socket.once('close', () => clearTimeout(timer));
  });
}

async function send(front: Exposed, method: string, path: string, body: Buffer | null): Promise<Buffer> {
  const signal = AbortSignal.timeout(answerWithinMs);
  const outgoing = request({ ...front, method, path, signal, agent: false });
  outgoing.end(body ?? undefined);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  if (incoming.statusCode !== 200) throw failed(`${method} ${path} was answered with ${incoming.statusCode}`);
  return Buffer.concat(await Array.fromAsync(incoming as AsyncIterable<Buffer>));
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function failed(text: string): DemoError {
  return new DemoError('DEMO_CHECK_FAILED', text);
}
