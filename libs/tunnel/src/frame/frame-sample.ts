/** One frame of every type, as the protocol's page shows it, made by the encoder: what codec tests go through. */
import {
  encodeAnswer,
  encodeBody,
  encodeCredit,
  encodeFrame,
  encodeGoAway,
  encodeOpen,
  encodeReceived,
  encodeReset,
  encodeResume,
  FrameType,
} from './frame.ts';

const key = '000102030405060708090a0b0c0d0e0f';
const node = { id: 'edge-1', bootId: 'n0de-b00t' };
const client = { id: 'c1', bootId: 'c1ient-b00t' };
const clock = Buffer.from('40c3880000000000', 'hex');

/** By the name of the example. */
export const frameSamples: Readonly<Record<string, Buffer>> = {
  hello: encodeBody(FrameType.Hello, {
    protocol: [1],
    node: 'edge-1',
    bootId: 'n0de-b00t',
    nonce: 'AAECAwQFBgcICQoLDA0ODw',
  }),
  'hello-features': encodeBody(FrameType.Hello, {
    protocol: [1],
    node: 'edge-1',
    bootId: 'n0de-b00t',
    nonce: 'AAECAwQFBgcICQoLDA0ODw',
    features: ['tls', 'proxy', 'udp'],
  }),
  welcome: encodeBody(FrameType.Welcome, {
    protocol: 1,
    tunnelId: 't1',
    clientId: 'c1',
    gateway: { id: 'g', name: 'Site' },
    accessList: { revision: 1, rules: [] },
  }),
  open: encodeOpen(2, {
    key,
    attempt: 1,
    limit: 262_144,
    body: { from: node, to: client, meta: { port: 22 } },
  }),
  opened: encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 4, limit: 262_144 }),
  data: encodeFrame(FrameType.Data, 2, Buffer.from('ping')),
  credit: encodeCredit(2, 65_536, 327_680),
  fin: encodeFrame(FrameType.Fin, 2, Buffer.alloc(0)),
  reset: encodeReset(2, 5, 'rule 3 of the gateway'),
  ping: encodeFrame(FrameType.Ping, 0, clock),
  pong: encodeFrame(FrameType.Pong, 0, clock),
  goaway: encodeGoAway(6, 1, 'draining'),
  resume: encodeResume(4, {
    key,
    attempt: 2,
    received: 65_536,
    limit: 327_680,
    body: { from: node, to: client },
  }),
  resumed: encodeAnswer(FrameType.Resumed, 4, { attempt: 2, received: 5, limit: 262_149 }),
  datagram: encodeFrame(FrameType.Datagram, 2, Buffer.from('hi')),
  control: encodeBody(FrameType.Control, { kind: 'end', reason: 'by an operator' }),
  received: encodeReceived(131_072),
};
