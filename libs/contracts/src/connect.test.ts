import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
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

/** The names of all members that a schema, or what it is made of, has. */
function membersOf(schema: unknown, members = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return members;
  if ('properties' in schema) for (const name of Object.keys(schema.properties as object)) members.add(name);
  for (const part of Object.values(schema)) membersOf(part, members);
  return members;
}
