import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import {
  ClientHello,
  CloudOpenMetadata,
  ConnectAnswer,
  ConnectRequest,
  Control,
  NodeHello,
  OpenMetadata,
  TicketClaims,
  Welcome,
  traceparentOf,
} from './connect.ts';
import { Material } from './material.ts';

test('docs/PROTOCOL.md names each member of what client and node say to each other', () => {
  const page = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');
  const code = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);
  const named = new Set(code.flatMap((text) => text.match(/\w+/g) ?? []));
  const bodies = { ConnectRequest, ConnectAnswer, TicketClaims, NodeHello, ClientHello, Welcome, Material };
  const members = membersOf({ ...bodies, OpenMetadata, CloudOpenMetadata, Control });
  assert(members.size > 60);
  // Given only to nodes.
  members.delete('sessionTickets');
  assert.deepEqual(
    [...members].filter((member) => !named.has(member)),
    [],
  );
});

test('of a traceparent in no form of W3C Trace Context none is taken, and nobody is refused for it', () => {
  const metadata = { destinationId: 'd', trackingId: 't', caller: { address: '127.0.0.1', port: 1 } };
  const one = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  assert.equal(traceparentOf({ ...metadata, traceparent: one }), one);
  for (const traceparent of [
    '',
    `${one}-`,
    one.toUpperCase(),
    `ff${one.slice(2)}`,
    one.replaceAll('a', '0'),
    7,
  ]) {
    const told = { ...metadata, traceparent };
    assert.equal(traceparentOf(told), null);
    assert(Value.Check(CloudOpenMetadata, told), String(traceparent));
    assert(Value.Check(OpenMetadata, { ...told, host: 'db', port: 1, connectTimeoutSeconds: 0 }));
  }
  for (const none of [metadata, null, 'text']) assert.equal(traceparentOf(none), null);
});

/** The names of all members that a schema, or what it is made of, has. */
function membersOf(schema: unknown, members = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return members;
  if ('properties' in schema) for (const name of Object.keys(schema.properties as object)) members.add(name);
  for (const part of Object.values(schema)) membersOf(part, members);
  return members;
}
