/** Waiting for an address to answer: for programs that tell their readiness there and nowhere else. */
import { get } from 'node:http';
import { connect } from 'node:net';
import { pause } from '@postern/test-kit';

const ANSWER_WITHIN_MS = 2_000;

/** What may end while it is waited for. */
export interface Waited {
  readonly isRunning: boolean;
  failure(why: string): Error;
}

/** Asks an HTTP address until the answer is 200; rejects when the process ended, or with the last answer in the end. */
export function untilServed(url: string, waited: Waited, withinMs: number): Promise<void> {
  return untilAnswered(() => ask(url), `${url}: `, waited, withinMs);
}

/** Connects until it is accepted. */
export function untilAccepted(host: string, port: number, waited: Waited, withinMs: number): Promise<void> {
  return untilAnswered(() => knock(host, port), `${host}:${port}: `, waited, withinMs);
}

interface Answer {
  readonly ok: boolean;
  readonly text: string;
}

async function untilAnswered(
  attempt: () => Promise<Answer>,
  where: string,
  waited: Waited,
  withinMs: number,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await attempt();
    if (answer.ok) return;
    if (!waited.isRunning) throw waited.failure('ended before it was ready');
    if (Date.now() > deadline)
      throw waited.failure(`was not ready within ${withinMs} ms; ${where}${answer.text}`);
    await pause();
  }
}

function knock(host: string, port: number): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: ANSWER_WITHIN_MS });
    const end = (ok: boolean, text: string): void => {
      socket.destroy();
      resolve({ ok, text });
    };
    socket.on('connect', () => end(true, ''));
    socket.on('timeout', () => end(false, 'no answer'));
    socket.on('error', (error) => end(false, error.message));
  });
}

function ask(url: string): Promise<Answer> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: ANSWER_WITHIN_MS, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text = (text + chunk).slice(0, 2_000)));
      response.on('error', (error) => resolve({ ok: false, text: error.message }));
      response.on('end', () =>
        resolve({ ok: response.statusCode === 200, text: `${response.statusCode} ${text}` }),
      );
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', (error) => resolve({ ok: false, text: error.message }));
  });
}
