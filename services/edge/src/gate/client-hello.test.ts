import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { clientHelloBytesMax, clientHelloRecordsMax, readClientHello } from './client-hello.ts';
import { helloOf } from '../fixture/hello.ts';

/** A ClientHello with these extensions, in one record. */
function handMade(extensions: string): Buffer {
  const body = Buffer.from(
    `0303${'ab'.repeat(32)}00000213010100${lengthOf(extensions, 2)}${extensions}`,
    'hex',
  );
  return inRecords(message(1, body), 16_384);
}

function message(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  head[0] = type;
  return Buffer.concat([head, body]);
}

function inRecords(bytes: Buffer, size: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    const head = Buffer.from([22, 3, 1, 0, 0]);
    head.writeUInt16BE(part.length, 3);
    records.push(head, part);
  }
  return Buffer.concat(records);
}

function lengthOf(hex: string, bytes: number): string {
  return (hex.length / 2).toString(16).padStart(bytes * 2, '0');
}

function serverName(name: string): string {
  const text = Buffer.from(name).toString('hex');
  const entry = `00${lengthOf(text, 2)}${text}`;
  const list = `${lengthOf(entry, 2)}${entry}`;
  return `0000${lengthOf(list, 2)}${list}`;
}

const faultOf = (bytes: Buffer): string => {
  const read = readClientHello(bytes);
  return read.kind === 'invalid' ? read.fault : read.kind;
};

test('a real ClientHello tells its server name in lower case, and the protocols in their order', async () => {
  const hello = await helloOf({ servername: 'Orders.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.deepEqual(readClientHello(hello), {
    kind: 'hello',
    hello: { serverName: 'orders.example.com', protocols: ['h2', 'http/1.1'] },
  });
});

test('a ClientHello of TLS 1.2 without a name says so', async () => {
  const hello = await helloOf({ maxVersion: 'TLSv1.2' });
  assert.deepEqual(readClientHello(hello), { kind: 'hello', hello: { serverName: null, protocols: [] } });
});

test('every part of a ClientHello is too little, whatever follows it is no matter', async () => {
  const hello = await helloOf({ servername: 'a.example', ALPNProtocols: ['x'] });
  for (let length = 0; length < hello.length; length += 1) {
    assert.equal(readClientHello(hello.subarray(0, length)).kind, 'partial', `at ${length}`);
  }
  const more = Buffer.concat([hello, Buffer.alloc(50, 0xff)]);
  assert.deepEqual(readClientHello(more), readClientHello(hello));
});

test('a ClientHello spread over as many records as it may is the same, wherever they are cut', async () => {
  const hello = await helloOf({ servername: 'a.example' });
  const whole = readClientHello(hello);
  const bytes = hello.subarray(5);
  const fewest = Math.ceil(bytes.length / clientHelloRecordsMax);
  for (const size of [fewest, 500, 1_000]) {
    const spread = inRecords(bytes, size);
    assert.deepEqual(readClientHello(spread), whole, `records of ${size}`);
    assert.equal(readClientHello(spread.subarray(0, -1)).kind, 'partial');
  }
  for (const first of [1, 2, 3, 4, 5]) {
    const spread = Buffer.concat([
      inRecords(bytes.subarray(0, first), 1),
      inRecords(bytes.subarray(first), 16_384),
    ]);
    assert.deepEqual(readClientHello(spread), whole, `${first} bytes in records of one`);
  }
});

test('a ClientHello spread over more records than it may be is refused before the next one has come', () => {
  const tiny = inRecords(message(1, Buffer.alloc(5_000)), 1);
  const most = tiny.subarray(0, clientHelloRecordsMax * 6);
  assert.equal(readClientHello(most.subarray(0, -1)).kind, 'partial');
  assert.match(faultOf(most), new RegExp(`more than ${clientHelloRecordsMax} TLS records`));
});

test('hand-made: no extensions, a trailing dot, an unknown kind of name before the right one', () => {
  const bare = inRecords(message(1, Buffer.from(`0303${'ab'.repeat(32)}00000213010100`, 'hex')), 99);
  assert.deepEqual(readClientHello(bare), { kind: 'hello', hello: { serverName: null, protocols: [] } });
  assert.deepEqual(readClientHello(handMade(serverName('db.example.'))), {
    kind: 'hello',
    hello: { serverName: 'db.example', protocols: [] },
  });
  const odd = '0000000f000d05000278780000056c2e636f6d';
  assert.deepEqual(readClientHello(handMade(odd)), {
    kind: 'hello',
    hello: { serverName: 'l.com', protocols: [] },
  });
});

test('what is no ClientHello is refused at its first wrong byte', () => {
  assert.match(faultOf(Buffer.from('GET / HTTP/1.1\r\n')), /no TLS handshake record/);
  assert.match(faultOf(Buffer.from([22, 2])), /no version of TLS/);
  assert.match(faultOf(Buffer.from([22, 3, 1, 0, 0])), /record of 0 bytes/);
  assert.match(faultOf(Buffer.from([22, 3, 1, 0x40, 1])), /record of 16385 bytes/);
  assert.match(faultOf(inRecords(message(2, Buffer.alloc(40)), 99)), /no ClientHello/);
  assert.match(
    faultOf(inRecords(message(1, Buffer.alloc(40)).subarray(0, 20), 9).fill(23, 14, 15)),
    /record/,
  );
});

test('a ClientHello that announces more than the bound is refused before it has come', () => {
  const head = Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x40, 0]);
  assert.match(faultOf(head), new RegExp(`longer than ${clientHelloBytesMax}`));
  const longest = inRecords(message(1, Buffer.alloc(clientHelloBytesMax - 9)), 1_088);
  assert.match(faultOf(longest.subarray(0, clientHelloBytesMax + 20)), /longer than/);
});

test('lengths that reach past their end, and names that are none, are faults', () => {
  assert.match(faultOf(handMade('0000ffff')), /ends too early/);
  assert.match(faultOf(handMade('000000050003000009')), /ends too early/);
  for (const name of ['', 'a b', 'a..b', 'ä.example', '*.example', '-a.example', 'a'.repeat(254)]) {
    assert.match(faultOf(handMade(serverName(name))), /no DNS name/, name);
  }
});

test('fuzz: whatever comes is answered, and nothing is read twice as something else', async () => {
  const hello = await helloOf({ servername: 'a.example', ALPNProtocols: ['h2'] });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      readClientHello(Buffer.from(bytes));
    }),
  );
  const flips = fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(flips, fc.nat(hello.length), (changes, length) => {
      const bytes = Buffer.from(hello);
      for (const [at, value] of changes) bytes[at] = value;
      const part = readClientHello(bytes.subarray(0, length));
      if (part.kind !== 'partial') assert.deepEqual(readClientHello(bytes), part);
    }),
  );
});
