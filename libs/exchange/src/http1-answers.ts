/**
 * Answers as they go out on a caller's HTTP/1.1 connection: start lines, fields, chunks, pages of our own. Whether the
 * connection is kept is the caller's connection's to say; what follows from it for the bytes is here.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type Field, type RequestHead, lengthOfNone } from '@postern/http';
import type { Slab } from '@postern/tunnel';
import type { Cause } from './cause.ts';
import { Outgoing } from './outgoing.ts';
import { refusalAnswer } from './refusal-page.ts';
import type { Answer } from './request.ts';

/** The Date of now, made anew each second. */
let dateNow = { second: 0, text: '' };

const crlf = Buffer.from('\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

/** Those of one connection, one after the other. */
export class Http1Answers {
  readonly outgoing: Outgoing;
  #chunked = false;

  constructor(socket: Socket) {
    this.outgoing = new Outgoing(socket);
  }

  /** A head without a body behind it: 1xx. */
  addInformation(status: number, reason: string, fields: readonly Field[]): void {
    this.outgoing.addText(`${statusLine(status, reason)}${fieldLines(fields)}\r\n`);
  }

  /** The head of an answer to a request of HTTP/1.`minor`, on a connection that is kept or not. */
  addHead({ head, framing, fields }: Answer, minor: 0 | 1, keeps: boolean): void {
    let text = statusLine(head.status, head.reason) + fieldLines(fields);
    // Who passes on an answer that has none says when it came (RFC 9110, 6.6.1); of HTTP/2 Node does.
    if (!fields.some(({ key }) => key === 'date')) text += dateLine();
    this.#chunked = minor === 1 && (framing.kind === 'chunked' || framing.kind === 'close');
    if (framing.kind === 'length') text += `Content-Length: ${framing.length}\r\n`;
    else if (framing.kind === 'none') {
      const length = lengthOfNone(head);
      if (length !== null) text += `Content-Length: ${length}\r\n`;
    } else if (this.#chunked) text += 'Transfer-Encoding: chunked\r\n';
    if (!keeps) text += 'Connection: close\r\n';
    else if (minor === 0) text += 'Connection: keep-alive\r\n';
    if (head.status === 426)
      text += 'Connection: upgrade\r\n' + fieldLines(head.fields.filter(({ key }) => key === 'upgrade'));
    this.outgoing.addText(`${text}\r\n`);
  }

  addBody(piece: Buffer, slab: Slab | null): void {
    const { outgoing } = this;
    if (this.#chunked) outgoing.addText(`${piece.length.toString(16)}\r\n`);
    outgoing.add(piece, slab);
    if (this.#chunked) outgoing.add(crlf);
  }

  addEnd(trailers: readonly Field[]): void {
    if (!this.#chunked) return;
    if (trailers.length === 0) this.outgoing.add(lastChunk);
    else this.outgoing.addText(`0\r\n${fieldLines(trailers)}\r\n`);
  }

  /** A page of our own; `head` is null where the request's could not be read. */
  addRefusal(
    cause: Cause,
    status: number,
    about: { head: RequestHead | null; trackingId: string; keeps: boolean },
  ): void {
    const { head, trackingId, keeps } = about;
    const { fields, body } = refusalAnswer(cause, status, trackingId, head?.fields ?? []);
    let text = statusLine(status, STATUS_CODES[status] ?? 'Error') + dateLine() + fieldLines(fields);
    if (!keeps) text += 'Connection: close\r\n';
    this.outgoing.addText(`${text}\r\n`);
    if (head?.method !== 'HEAD') this.outgoing.add(body);
  }
}

function statusLine(status: number, reason: string): string {
  return `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? '') : reason}\r\n`;
}

function dateLine(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateNow.second)
    dateNow = { second, text: `Date: ${new Date(second * 1000).toUTCString()}\r\n` };
  return dateNow.text;
}

function fieldLines(fields: readonly Field[]): string {
  let text = '';
  for (const { name, value } of fields) text += `${name}: ${value}\r\n`;
  return text;
}
