import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudDestination } from '@postern/contracts';
import { Compression, type Session } from '@postern/tunnel';
import type { CloudCause } from './cause.ts';
import { NodeChoice } from './node-choice.ts';

const destination = { id: 'c1', protocol: 'http' } as CloudDestination;

/** A tunnel to a node, as far as a choice looks at it. */
function tunnel(node: string, streamCount: number, features = ['cloudHttp']): Session {
  const peer = { id: node, features: new Set(features) };
  return { usable: true, quiet: false, streamCount, peer } as unknown as Session;
}

function choiceOf(...sessions: Session[]): NodeChoice {
  const open = () => assert.fail('nothing is opened here');
  return new NodeChoice({ sessions: () => sessions, open, compression: new Compression() }, destination);
}

function namesOf(choice: NodeChoice): string[] {
  const names: string[] = [];
  for (;;) {
    const next = choice.next();
    if ('code' in next) return [...names, next.code];
    names.push(next.peer.id);
  }
}

test('nodes are tried from the quietest on, each once', () => {
  const choice = choiceOf(tunnel('busy', 9), tunnel('quiet', 1), tunnel('quiet', 5), tunnel('idle', 0));
  assert.deepEqual(namesOf(choice), ['idle', 'quiet', 'busy', 'CLIENT_NO_TUNNEL']);
});

test('a node that does not know the protocol is passed over, and named where there is no other', () => {
  assert.deepEqual(namesOf(choiceOf(tunnel('old', 0, []), tunnel('new', 1))), [
    'new',
    'CLIENT_NODE_OUTDATED',
  ]);
});

test('what a node met is told before what another has not heard of yet, whichever comes first', () => {
  const met: CloudCause = { code: 'CLIENT_RESOURCE_REFUSED', text: '127.0.0.1:1 refused the node' };
  const notHeard: CloudCause = {
    code: 'CLIENT_EDGE_DENIED',
    text: 'EDGE_DESTINATION_DELETED: this node knows none',
  };
  for (const causes of [
    [met, notHeard],
    [notHeard, met],
  ]) {
    const choice = choiceOf();
    for (const cause of causes) choice.noteCause(cause);
    assert.equal(choice.next(), met);
  }
});
