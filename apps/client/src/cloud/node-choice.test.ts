import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudDestination, CloudOpenMetadata } from '@postern/contracts';
import { Compression, type Session, type Stream } from '@postern/tunnel';
import type { CloudCause } from './cause.ts';
import { NodeChoice } from './node-choice.ts';

const destination = { id: 'c1', protocol: 'http' } as CloudDestination;

/** A tunnel to a node, as far as a choice looks at it. */
function tunnel(node: string, streamCount: number, features = ['cloudHttp'], usable = true): Session {
  const peer = { id: node, features: new Set(features) };
  return { usable, quiet: false, streamCount, peer } as unknown as Session;
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

test('a tunnel that takes no streams any more is none', () => {
  const gone = tunnel('gone', 0, ['cloudHttp'], false);
  const old = tunnel('old', 0, [], false);
  const choice = choiceOf(gone, old, tunnel('here', 1));
  assert.deepEqual([choice.hasOther('here'), choice.hasOther('elsewhere')], [false, true]);
  assert.deepEqual(namesOf(choice), ['here', 'CLIENT_NO_TUNNEL']);
});

test('no more than eight nodes are tried for one caller', () => {
  const nodes = Array.from({ length: 9 }, (_, index) => tunnel(`node-${index}`, index));
  assert.equal(namesOf(choiceOf(...nodes)).length, 9);
});

test('what a node met is not hidden by another that is too old', () => {
  const met: CloudCause = { code: 'CLIENT_RESOURCE_REFUSED', text: '127.0.0.1:1 refused the node' };
  const choice = choiceOf(tunnel('old', 0, []), tunnel('new', 1));
  choice.next();
  choice.noteCause(met);
  assert.equal(choice.next(), met);
});

test('a stream is compressed where its destination asks for it, its node knows how, and there is room', () => {
  for (const [compress, features, hasRoom] of [
    [true, ['compress'], true],
    [false, ['compress'], true],
    [true, [], true],
    [true, ['compress'], false],
  ] as const) {
    const opened: object[] = [];
    const compression = { hasRoomFor: () => hasRoom, wrap: (stream: object) => stream };
    const parts = {
      sessions: () => [],
      compression: compression as unknown as Compression,
      open: (_session: Session, metadata: object) => {
        opened.push(metadata);
        return metadata as Stream;
      },
    };
    const metadata = {} as CloudOpenMetadata;
    new NodeChoice(parts, { ...destination, compress }).open(tunnel('node', 0, [...features]), metadata);
    const isCompressed = compress && features.length > 0 && hasRoom;
    assert.deepEqual(opened, [isCompressed ? { compress: 'zstd' } : {}]);
  }
});
