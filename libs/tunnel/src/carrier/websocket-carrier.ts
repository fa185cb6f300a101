/**
 * A carrier over a WebSocket (ws), for networks that let only HTTPS on 443 through. Frames of the tunnel are
 * not aligned with messages: each write is one binary message, and what arrives is a stream of bytes again.
 */
import type { WebSocket } from 'ws';
import { currentTurn } from '../loop-turn.ts';
import type { Carrier, CarrierEvents } from './carrier.ts';

const goodbyeMs = 2_000;
/**
 * Messages that are taken in one turn before the rest waits for the next: the system hands on so much of a connection at
 * once that six of them, with messages of one byte, kept everybody else waiting for 1.5 s. Bulk never comes to as many.
 */
const messagesPerTurnMax = 256;

/** The longest message that `ws` should be told to accept (`maxPayload`): one batch with its largest frame behind it. */
export const webSocketMessageBytesMax = 1_048_576;

/** Takes over a WebSocket that is open. `remoteAddress` is `address:port` of the connection under it. */
export function webSocketCarrier(socket: WebSocket, remoteAddress: string): Carrier {
  return new WebSocketCarrier(socket, remoteAddress);
}

class WebSocketCarrier implements Carrier {
  readonly transport = 'websocket';
  readonly remoteAddress: string;
  readonly #socket: WebSocket;
  #isPaused = false;
  /** The turn of the last message, and how many came in it. */
  #turn = -1;
  #messages = 0;

  constructor(socket: WebSocket, remoteAddress: string) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    socket.binaryType = 'nodebuffer';
  }

  start(events: CarrierEvents): void {
    let failure: Error | null = null;
    this.#socket.on('error', (error) => {
      failure = error;
      // It has been told why, and would be read for half a minute more.
      setImmediate(() => this.destroy());
    });
    this.#socket.on('close', () => events.handleClose(failure));
    this.#socket.on('message', (data, isBinary) => {
      this.#count();
      const bytes = data as Buffer;
      if (isBinary && bytes.length > 0) events.handleBytes(bytes);
      else this.#refuse();
    });
    this.#socket.on('ping', () => this.#count());
    this.#socket.on('pong', () => this.#count());
    if (this.#socket.readyState === this.#socket.CLOSED) queueMicrotask(() => events.handleClose(failure));
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
  }

  write(bytes: Buffer, done: () => void): void {
    this.#socket.send(bytes, { binary: true, compress: false }, (error) => {
      if (!error) done();
    });
  }

  end(last: Buffer): void {
    for (let at = 0; at < last.length; at += webSocketMessageBytesMax)
      this.#socket.send(last.subarray(at, at + webSocketMessageBytesMax), { binary: true, compress: false });
    this.#socket.close(1000);
    setTimeout(() => this.destroy(), goodbyeMs).unref();
  }

  destroy(): void {
    this.#socket.terminate();
  }

  #count(): void {
    const turn = currentTurn();
    if (this.#turn !== turn) this.#messages = 0;
    this.#turn = turn;
    this.#messages += 1;
    if (this.#messages !== messagesPerTurnMax) return;
    this.#socket.pause();
    setImmediate(() => {
      if (!this.#isPaused) this.#socket.resume();
    });
  }

  /** Nobody of ours writes text, or nothing; who goes on with it would have each message read until it lets us go. */
  #refuse(): void {
    if (this.#socket.readyState === this.#socket.OPEN)
      this.#socket.close(1003, 'binary messages with bytes only');
    else this.destroy();
  }
}
