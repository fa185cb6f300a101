import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type ProxyRead,
  proxyHeaderBytesMax,
  readProxyHeader,
  writeFact,
  writeProxyHeader1,
  writeProxyHeader2,
} from './proxy-header.ts';

const signature = '0d0a0d0a000d0a515549540a';
const ends = {
  source: { address: '192.0.2.1', port: 56324 },
  destination: { address: '198.51.100.7', port: 443 },
};
const v2 = `${signature}2111000cc0000201c6336407dc0401bb`;

const read = (text: string | Buffer): ProxyRead => readProxyHeader(Buffer.from(text));
const readHex = (hex: string): ProxyRead => readProxyHeader(Buffer.from(hex, 'hex'));
const faultOf = (answer: ProxyRead): string => (answer.kind === 'invalid' ? answer.fault : answer.kind);

test('version 1: both families, and the unknown one', () => {
  const line = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n';
  assert.deepEqual(read(`${line}GET /`), { kind: 'header', ends, bytes: line.length });
  assert.deepEqual(read('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'), {
    kind: 'header',
    ends: { source: { address: '2001:db8::1', port: 1 }, destination: { address: '::1', port: 2 } },
    bytes: 32,
  });
  assert.deepEqual(read('PROXY UNKNOWN\r\n'), { kind: 'header', ends: null, bytes: 15 });
  assert.deepEqual(read('PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n'), {
    kind: 'header',
    ends: null,
    bytes: 43,
  });
});

test('version 2: both families, LOCAL, UNSPEC, and facts behind the addresses are skipped', () => {
  assert.deepEqual(readHex(v2), { kind: 'header', ends, bytes: 28 });
  assert.deepEqual(readHex(`${signature}21110013c0000201c6336407dc0401bb04000411223344ff`), {
    kind: 'header',
    ends,
    bytes: 35,
  });
  const v6 = `20010db8000000000000000000000001${'00'.repeat(15)}01`;
  assert.deepEqual(readHex(`${signature}21210024${v6}00010002`), {
    kind: 'header',
    ends: { source: { address: '2001:db8::1', port: 1 }, destination: { address: '::1', port: 2 } },
    bytes: 52,
  });
  assert.deepEqual(readHex(`${signature}20000000`), { kind: 'header', ends: null, bytes: 16 });
  const local = readHex(`${signature}2011000cc0000201c6336407dc0401bb`);
  assert.deepEqual(local, { kind: 'header', ends: null, bytes: 28 });
  assert.deepEqual(readHex(`${signature}21000000`), { kind: 'header', ends: null, bytes: 16 });
});

test('every part of a header is too little', () => {
  for (const whole of [Buffer.from(v2, 'hex'), Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n')]) {
    for (let length = 0; length < whole.length; length += 1) {
      assert.deepEqual(read(whole.subarray(0, length)), { kind: 'partial' }, `at ${length}`);
    }
  }
});

test('what is no header is refused', () => {
  const wrong: [RegExp, ProxyRead][] = [
    [/does not begin/, read('GET / HTTP/1.1\r\n')],
    [/does not begin/, readHex('16030100')],
    [/no two addresses/, read('PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n')],
    [/no two addresses/, read('PROXY TCP4 1.2.3.4 ::1 1 2\r\n')],
    [/no two addresses/, read('PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n')],
    [/no two addresses/, read('PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n')],
    [/no two addresses/, read('PROXY TCP4 1.2.3.4 5.6.7.8  1 2\r\n')],
    [/no two ports/, read('PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n')],
    [/no two ports/, read('PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n')],
    [/longer than 107/, read(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
    [/another version/, readHex(`${signature}11`)],
    [/unknown command/, readHex(`${signature}22000000`)],
    [/not for a TCP connection/, readHex(`${signature}21120000`)],
    [/ends too early/, readHex(`${signature}2111000b${'00'.repeat(11)}`)],
    [/ends too early/, readHex(`${signature}21210023${'00'.repeat(35)}`)],
    [/longer than/, readHex(`${signature}2111ffff`)],
  ];
  for (const [fault, answer] of wrong) assert.match(faultOf(answer), fault);
});

test('what is written is what the specification shows, and is read again', () => {
  assert.equal(String(writeProxyHeader1(ends)), 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n');
  assert.equal(writeProxyHeader2(ends).toString('hex'), v2);
  const unique = writeProxyHeader2(ends, [{ type: 5, value: Buffer.from('id') }]);
  assert.equal(unique.toString('hex'), `${signature}21110011c0000201c6336407dc0401bb0500026964`);
  assert.equal(writeFact({ type: 1, value: Buffer.alloc(70_000) }).length, 3 + 4_096);
  assert.ok(proxyHeaderBytesMax < 65_536);
});

test('addresses of two families are written as IPv6, IPv4 within IPv6 as IPv4, and none as unknown', () => {
  const mixed = {
    source: { address: '1.2.3.4', port: 1 },
    destination: { address: 'fe80::1%eth0', port: 2 },
  };
  assert.equal(String(writeProxyHeader1(mixed)), 'PROXY TCP6 ::ffff:1.2.3.4 fe80::1 1 2\r\n');
  const answer = readProxyHeader(writeProxyHeader2(mixed));
  assert.ok(answer.kind === 'header' && answer.ends?.source.address === '::ffff:102:304');
  const within = { ...ends, source: { address: '::ffff:192.0.2.1', port: 56324 } };
  assert.equal(writeProxyHeader2(within).toString('hex'), v2);
  const none = { ...ends, source: { address: '', port: 0 } };
  assert.equal(String(writeProxyHeader1(none)), 'PROXY UNKNOWN\r\n');
  assert.equal(writeProxyHeader2(none).toString('hex'), `${signature}21000000`);
});

test('fuzz: what one writes the other reads, and garbage is answered', () => {
  const name = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.nat(65_535) });
  fc.assert(
    fc.property(name, name, fc.uint8Array({ maxLength: 40 }), (source, destination, rest) => {
      for (const header of [
        writeProxyHeader1({ source, destination }),
        writeProxyHeader2({ source, destination }, [{ type: 0xe0, value: Buffer.from(rest) }]),
      ]) {
        const answer = readProxyHeader(Buffer.concat([header, rest]));
        assert.ok(answer.kind === 'header');
        assert.equal(answer.bytes, header.length);
        assert.deepEqual(answer.ends?.source.port, source.port);
        const again = writeProxyHeader2(answer.ends ?? ends);
        assert.deepEqual(again, writeProxyHeader2({ source, destination }));
      }
    }),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom('', 'PROXY ', signature),
      (bytes, start) => {
        readProxyHeader(Buffer.concat([Buffer.from(start, start === signature ? 'hex' : 'latin1'), bytes]));
      },
    ),
  );
});
