import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TunnelError } from '@postern/tunnel';
import { ClientError } from '../errors.ts';
import { dialFailure } from './handshake.ts';

const refused = (text: string): TunnelError => new TunnelError('TUNNEL_REFUSED', text);

test('a node that is full or draining, or resets the connection, has no time; nothing is wrong with the ticket', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  for (const error of [reset, refused('EDGE_TUNNELS_FULL: full'), refused('EDGE_DRAINING: stopping')])
    assert.deepEqual(dialFailure(error), { cause: 'busy', retryAfterMs: 0 });
});

test('a refusal counts against the ticket unless it says that another node, or this one later, will take it', () => {
  assert.equal(dialFailure(refused('EDGE_TICKET_EXPIRED: long ago')).cause, 'ticketRefused');
  assert.equal(dialFailure(refused('EDGE_TICKET_KEY_UNKNOWN: not here')).cause, 'unfit');
});

test('who is not reached, or breaks off in the handshake, is a matter of the path', () => {
  const silent = new ClientError('CLIENT_TIMED_OUT', 'no answer');
  const broken = new TunnelError('TUNNEL_CARRIER_CLOSED', 'the connection was closed');
  for (const error of [silent, broken, new Error('EHOSTUNREACH')])
    assert.equal(dialFailure(error).cause, 'path');
});

test('a way that led where a tunnel is already is told apart, and Retry-After is passed on', () => {
  assert.equal(dialFailure(new ClientError('CLIENT_SAME_NODE', 'there already')).cause, 'sameNode');
  const error = new ClientError('CLIENT_WEBSOCKET_REFUSED', '503', { retryAfterMs: 2000 });
  assert.deepEqual(dialFailure(error), { cause: 'path', retryAfterMs: 2000 });
});
