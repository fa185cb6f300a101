import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDestination } from './destination.ts';
import type { Field } from './field.ts';
import { forwardAnswer, forwardTrailers, rewriteCookie, rewriteUrl } from './forward-answer.ts';
import { type RequestForward, formatRequestHead, upgradeOf } from './forward-request.ts';

function fields(...lines: string[]): Field[] {
  return lines.map((line) => {
    const at = line.indexOf(': ');
    const name = line.slice(0, at);
    return { name, key: name.toLowerCase(), value: line.slice(at + 2) };
  });
}

function sent(
  lines: string[],
  change: Partial<RequestForward['caller']> = {},
  trace: RequestForward['trace'] = null,
  more: Partial<RequestForward> = {},
): string[] {
  const caller = {
    address: '192.0.2.7',
    scheme: 'https',
    authority: 'shop',
    trusted: false,
    certificate: null,
    ...change,
  } as const;
  const request: RequestForward = {
    method: 'GET',
    target: '/',
    fields: fields(...lines),
    framing: { kind: 'none' },
    version: '1.1',
    authority: 'erp:8080',
    scheme: 'http',
    destination: readDestination(fields(...lines)),
    port: 443,
    caller,
    upgrade: null,
    trackingId: 't.1',
    trace,
    ...more,
  };
  const text = formatRequestHead(request);
  assert.ok(text.endsWith('\r\n\r\n'));
  return text.split('\r\n').slice(0, -2);
}

test('the trace that a request is a part of is told in place of what the caller told; without one that is passed on', () => {
  const outside = ['Traceparent: theirs', 'tracestate: a=1', 'tracestate: b=2'];
  const told = (lines: string[]): string[] => lines.filter((line) => /^trace/i.test(line));
  assert.deepEqual(told(sent(outside)), outside);
  assert.ok(sent(['X: 1'], {}, { traceparent: 'ours' }).includes('X: 1'));
  assert.deepEqual(told(sent(outside, {}, { traceparent: 'ours' })), ['traceparent: ours']);
  assert.deepEqual(told(sent([], {}, { traceparent: 'ours', tracestate: 'c=3' })), [
    'traceparent: ours',
    'tracestate: c=3',
  ]);
});

test('the Destination of WebDAV is called as the resource where it is called as the front, and else stays', () => {
  const told = (value: string): string | undefined =>
    sent([`Destination: ${value}`, 'Overwrite: F']).find((line) => line.startsWith('Destination'));
  assert.ok(sent(['Destination: https://shop/a', 'Overwrite: F']).includes('Overwrite: F'));
  for (const [value, expected] of [
    ['https://shop/a%20b?c', 'http://erp:8080/a%20b?c'],
    ['https://SHOP:443/a', 'http://erp:8080/a'],
    ['https://shop', 'http://erp:8080/'],
    ['https://shop:8443/a', 'https://shop:8443/a'],
    ['http://shopping/a', 'http://shopping/a'],
    ['/a', '/a'],
    ['container/object', 'container/object'],
    ['//shop/a', '//shop/a'],
    ['https://shop//a', 'http://erp:8080//a'],
    ['Paris', 'Paris'],
  ] as const) {
    assert.equal(told(value), `Destination: ${expected}`);
  }
});

test('no caller names another path than the one that was judged', () => {
  const names = ['X-Original-URL', 'x-rewrite-url', 'X_Original_Url', 'X-REWRITE_URL'];
  for (const trusted of [false, true]) {
    const lines = sent(
      names.map((name) => `${name}: /admin`),
      { trusted },
    );
    assert.deepEqual(
      lines.filter((line) => line.includes('/admin')),
      [],
    );
  }
});

test('no caller names the proxy by which a program behind CGI would go out', () => {
  for (const trusted of [false, true])
    assert.deepEqual(sent(['Proxy: evil:8080'], { trusted }), sent([], { trusted }));
});

test('who called is told by the gateway alone', () => {
  const outside = [
    'Forwarded: for=6.6.6.6',
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Proto: x',
    'X-Forwarded-Host: x',
    'X-Forwarded-Prefix: x',
    'X_Forwarded_For: 6.6.6.6',
    'X-Real-IP: 6.6.6.6',
    'Client-Cert: :AAAA:',
    'Client_Cert: :AAAA:',
    'Client-Cert-Chain: :AAAA:',
    'Postern-Tracking-Id: x',
    'X.Forwarded.For: 6.6.6.6',
    'X!Forwarded+Proto: x',
    'Client.Cert: :AAAA:',
    'X-Original.URL: /admin',
  ];
  assert.deepEqual(sent([...outside, 'X-Request-ID: mine']), [
    'GET / HTTP/1.1',
    'Host: erp:8080',
    'X-Request-ID: mine',
    'Forwarded: for=192.0.2.7;host=shop;proto=https',
    'X-Forwarded-For: 192.0.2.7',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Host: shop',
    'Via: 1.1 postern',
    'Postern-Tracking-Id: t.1',
  ]);
});

test('a field that some resources read as one of framing is not passed on', () => {
  const names = sent([
    'Transfer_Encoding: chunked',
    'Content_Length: 7',
    'Content.Length: 7',
    'A_B: 1',
    'A.B: 1',
  ]).map((line) => line.split(':')[0] ?? '');
  assert.deepEqual(
    names.filter((name) => /^[\w.]*[_.]/.test(name)),
    ['A_B', 'A.B'],
  );
});

test('a balancer that is trusted is believed, and the list goes on', () => {
  const lines = sent(
    [
      'Forwarded: for=198.51.100.1',
      'X-Forwarded-For: 198.51.100.1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: a.b',
      'Client-Cert: :AAAA:',
    ],
    { trusted: true, scheme: 'http', address: '2001:db8::1' },
  );
  assert.ok(lines.includes('Forwarded: for=198.51.100.1, for="[2001:db8::1]";host=shop;proto=http'));
  assert.ok(lines.includes('X-Forwarded-For: 198.51.100.1, 2001:db8::1'));
  assert.ok(lines.includes('X-Forwarded-Proto: https'));
  assert.ok(lines.includes('X-Forwarded-Host: a.b'));
  assert.equal(lines.filter((line) => /^x-forwarded-(?:proto|host)/i.test(line)).length, 2);
  assert.ok(!lines.some((line) => line.startsWith('Client-Cert')));
});

test('what a balancer that is trusted does not tell of its callers the gateway does', () => {
  const lines = sent(['X-Forwarded-For: 198.51.100.1', 'X-Real-IP: 198.51.100.1'], { trusted: true });
  for (const line of [
    'X-Forwarded-For: 198.51.100.1, 192.0.2.7',
    'X-Real-IP: 198.51.100.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Host: shop',
  ])
    assert.ok(lines.includes(line), line);
});

test('what a balancer that is trusted tells of its callers is told once', () => {
  const told = ['X-Forwarded-Host: a.b', 'X-Forwarded-Port: 8443'];
  const lines = sent(told, { trusted: true });
  assert.deepEqual(
    lines.filter((line) => /^x-forwarded-(?:host|port|proto)/i.test(line)),
    [...told, 'X-Forwarded-Proto: https'],
  );
});

test('a request that has no ID of its own gets the tracking ID, and one for another protocol asks for it', () => {
  assert.ok(sent([]).includes('X-Request-ID: t.1'));
  const lines = sent(['TE: trailers'], {}, null, { upgrade: 'websocket' });
  assert.deepEqual(lines.slice(-2), ['Connection: Upgrade', 'Upgrade: websocket']);
  assert.ok(!sent(['TE: gzip']).some((line) => line.startsWith('TE')));
});

test('a front that the caller called with a port is quoted where a list has it, and one that it did not name is not told', () => {
  const withPort = sent([], { authority: 'shop:8443' });
  assert.ok(withPort.includes('Forwarded: for=192.0.2.7;host="shop:8443";proto=https'));
  assert.ok(withPort.includes('X-Forwarded-Host: shop:8443'));
  const unnamed = sent([], { authority: '' });
  assert.ok(unnamed.includes('Forwarded: for=192.0.2.7;proto=https'));
  assert.ok(!unnamed.some((line) => line.startsWith('X-Forwarded-Host')));
});

test('a list that a trusted balancer leaves empty begins with the balancer itself', () => {
  const lines = sent(['Forwarded: ', 'X-Forwarded-For: '], { trusted: true });
  assert.ok(lines.includes('Forwarded: for=192.0.2.7;host=shop;proto=https'));
  assert.ok(lines.includes('X-Forwarded-For: 192.0.2.7'));
});

test('a body is announced as it is sent, whatever the caller announced', () => {
  const framed = (framing: RequestForward['framing']): string[] =>
    sent(['Content-Length: 7', 'Transfer-Encoding: x'], {}, null, { framing }).filter((line) =>
      /^(?:content-length|transfer-encoding)/i.test(line),
    );
  assert.deepEqual(framed({ kind: 'none' }), []);
  assert.deepEqual(framed({ kind: 'length', length: 3 }), ['Content-Length: 3']);
  assert.deepEqual(framed({ kind: 'chunked' }), ['Transfer-Encoding: chunked']);
});

test('who takes trailers, beside other codings or without them, is given them, and nobody else', () => {
  const asked = (value: string): boolean => sent([`TE: ${value}`]).includes('TE: trailers');
  for (const value of ['trailers', 'Trailers', 'deflate;q=0.5, trailers', 'trailers ,gzip', 'a,TRAILERS,b'])
    assert.ok(asked(value), value);
  for (const value of ['', 'deflate', 'trailers-x', 'x-trailers', 'no trailers', 'trailers x'])
    assert.ok(!asked(value), value);
});

test('a certificate is passed on as RFC 9440 has it', () => {
  assert.ok(sent([], { certificate: Buffer.from([1, 2, 3]) }).includes('Client-Cert: :AQID:'));
});

test('what is meant for this hop stays here; what Connection cannot take away goes on', () => {
  const lines = sent([
    'Connection: close, X-Hop, Content-Length, Host, X-Forwarded-For',
    'X-Hop: 1',
    'Keep-Alive: 1',
    'Proxy-Connection: 1',
    'Proxy-Authorization: 1',
    'TE: trailers',
    'Upgrade: websocket',
    'HTTP2-Settings: x',
    'Authorization: Basic x',
  ]);
  assert.deepEqual(lines.slice(2, 3), ['Authorization: Basic x']);
  assert.deepEqual(lines.slice(-2), ['Connection: TE', 'TE: trailers']);
  assert.ok(lines.includes('X-Forwarded-For: 192.0.2.7'));
  assert.ok(!lines.some((line) => /^(?:x-hop|keep-alive|proxy|upgrade|http2)/i.test(line)));
});

const upgrades: [value: string, passed: string | null][] = [
  ['websocket', 'websocket'],
  ['h2c', null],
  ['h2c, websocket', 'websocket'],
  ['websocket,', 'websocket'],
  [',', null],
  ['TLS/1.2, HTTP/2.0', null],
  ['foo/2', 'foo/2'],
];
for (const [value, passed] of upgrades) {
  test(`Upgrade: ${value} asks the resource for ${passed ?? 'nothing'}`, () => {
    assert.equal(upgradeOf(fields('Connection: keep-alive, Upgrade', `Upgrade: ${value}`), 1), passed);
  });
}

test('Upgrade without Connection, or in HTTP/1.0, asks for nothing', () => {
  assert.equal(upgradeOf(fields('Upgrade: websocket'), 1), null);
  assert.equal(upgradeOf(fields('Connection: Upgrade', 'Upgrade: websocket'), 0), null);
});

const names = {
  resource: 'erp.corp:8080',
  resourceScheme: 'http',
  front: 'shop.example',
  frontScheme: 'https',
} as const;
const urls: [url: string, rewritten: string][] = [
  ['http://erp.corp:8080/a?b#c', 'https://shop.example/a?b#c'],
  ['HTTP://ERP.corp:8080', 'https://shop.example'],
  ['//erp.corp:8080/a', '//shop.example/a'],
  ['http://erp.corp/a', 'http://erp.corp/a'],
  ['https://erp.corp:8080/a', 'https://shop.example/a'],
  ['http://erp.corp.evil:8080/a', 'http://erp.corp.evil:8080/a'],
  ['http://erp.corp:8080@evil/a', 'http://erp.corp:8080@evil/a'],
  ['/a', '/a'],
  ['a/b', 'a/b'],
  ['mailto:a@b', 'mailto:a@b'],
];
for (const [url, rewritten] of urls) {
  test(`a URL of the resource names the front: ${url}`, () =>
    assert.equal(rewriteUrl(url, names), rewritten));
}

const cookies: [cookie: string, rewritten: string][] = [
  ['a=b; Path=/', 'a=b; Path=/'],
  ['a=b; Domain=erp.corp; Path=/', 'a=b; Domain=shop.example; Path=/'],
  ['a=b; domain = .ERP.corp', 'a=b; Domain=shop.example'],
  ['a=b; Domain=corp; Secure', 'a=b; Secure'],
  ['a=b; Domain=other.corp', 'a=b; Domain=other.corp'],
  ['domain=x; Path=/', 'domain=x; Path=/'],
  ['a=b; Path=/; Domain=rp.corp', 'a=b; Path=/; Domain=rp.corp'],
];
for (const [cookie, rewritten] of cookies) {
  test(`a cookie of the resource is one of the front: ${cookie}`, () => {
    assert.equal(rewriteCookie(cookie, names), rewritten);
  });
}

test('a cookie of the resource has no domain where the front has no name that can be one', () => {
  for (const front of ['192.0.2.7:8443', 'localhost', '[::ffff:192.0.2.7]'])
    assert.equal(rewriteCookie('a=b; Domain=erp.corp', { ...names, front }), 'a=b', front);
});

test('a Refresh of the resource leads to the front, and one to elsewhere stays', () => {
  for (const [value, rewritten] of [
    ['0; url=http://erp.corp:8080/a', '0; url=https://shop.example/a'],
    ['5;URL="http://erp.corp:8080/a"', '5;URL="https://shop.example/a"'],
    ['5; url=http://other/a', '5; url=http://other/a'],
    ['5; url=/a', '5; url=/a'],
    ['5', '5'],
  ] as const) {
    assert.equal(forwardAnswer(fields(`Refresh: ${value}`), '1.1', names)[0]?.value, rewritten);
  }
});

test('answers lose what was meant for this hop, and gain Via', () => {
  const lines = [
    'Connection: X-Hop',
    'X-Hop: 1',
    'Keep-Alive: 1',
    'Alt-Svc: h3=":443"',
    'Transfer-Encoding: chunked',
    'X: 1',
    'Content-Location: http://erp.corp:8080/x',
    'Set-Cookie: a=b; Domain=erp.corp',
    'Set-Cookie: c=d',
  ];
  const got = forwardAnswer(fields(...lines), '1.1', names);
  assert.deepEqual(
    got.map(({ name, value }) => `${name}: ${value}`),
    [
      'X: 1',
      'Content-Location: https://shop.example/x',
      'Set-Cookie: a=b; Domain=shop.example',
      'Set-Cookie: c=d',
      'Via: 1.1 postern',
    ],
  );
});

test('trailers never carry what is needed before the body, or what the gateway alone tells', () => {
  const passed = forwardTrailers(
    fields(
      'Host: a',
      'Content-Length: 1',
      'Transfer-Encoding: x',
      'Set-Cookie: a',
      'X-Forwarded-For: a',
      'X_Forwarded_For: a',
      'X-Real-IP: a',
      'Client-Cert: :YQ==:',
      'Client_Cert_Chain: a',
      'Client.Cert: a',
      'Content.Type: a',
      'Via: a',
      'Proxy-Authorization: a',
      'X-Request-ID: a',
      'X-Sum: 1',
    ),
  );
  assert.deepEqual(
    passed.map(({ name }) => name),
    ['X-Sum'],
  );
});
