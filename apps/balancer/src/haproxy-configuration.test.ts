import assert from 'node:assert/strict';
import { test } from 'node:test';
import { program } from './program.ts';
import { haproxyConfiguration } from './haproxy-configuration.ts';
import { keepalivedConfiguration } from './keepalived-configuration.ts';
import { nodeList, nodesByName, nodesMax } from './node-list.ts';

const places = { statusSocket: '/state/haproxy.sock', asRoot: false };
const two = nodeList([
  { name: 'edge-2', address: '10.0.0.2' },
  { name: 'edge-1', address: '10.0.0.1' },
]);

function optionsOf(...argv: string[]) {
  const resolution = program.resolve(['--state', '/state', '--platform-host', 'gw.example', ...argv], {});
  assert(resolution.kind === 'run');
  return resolution.settings;
}

test('a tunnel goes to the node that its server name means, on 443 and on 9000', () => {
  const text = haproxyConfiguration(two, optionsOf(), places);
  for (const frontend of ['connect', 'tunnel']) {
    assert.match(
      text,
      new RegExp(`use_backend ${frontend}-edge-2 if \\{ req.ssl_sni -i edge-2.tunnel.gw.example \\}`),
    );
  }
  assert.match(text, /backend tunnel-edge-2\n {4}server edge-2 10\.0\.0\.2:9000\n/);
});

test('fronts are passed to the port that the caller dialled, on nodes whose /readyz answers 200', () => {
  const text = haproxyConfiguration(two, optionsOf('--front-port-last', '15009'), places);
  assert.match(text, /frontend fronts\n {4}bind \*:15000-15009\n/);
  assert.match(
    text,
    /backend fronts\n {4}option httpchk GET \/readyz\n {4}http-check expect status 200\n {4}server edge-1 10\.0\.0\.1 check port 9101/,
  );
});

test('the ports of the nodes are those of the balancer unless they are said to be others', () => {
  const [node] = nodeList([{ name: 'edge-1', address: 'fd00::1' }]);
  assert(node);
  const linesOf = (...argv: string[]): string[] =>
    haproxyConfiguration([node], optionsOf(...argv), places)
      .split('\n')
      .filter((line) => line.startsWith('    server ') && !line.includes(' check '))
      .map((line) => line.trim());
  const at = (port: string): string => `server edge-1 [fd00::1]${port}`;
  const own = ['--connect-port', '1443', '--tunnel-port', '1900', '--http-port', '1080'];
  const tracks = ' track fronts/edge-1';
  const expected = (connect: string, tunnel: string, http: string): string[] => [
    ...[connect, tunnel, http].flatMap((port) => [at(port) + tracks, at(port)]),
    at(''),
    at(connect),
    at(tunnel),
  ];
  assert.deepEqual(linesOf(...own), expected(':1443', ':1900', ':1080'));
  const others = ['--node-connect-port', '2443', '--node-tunnel-port', '2900', '--node-http-port', '2080'];
  assert.deepEqual(linesOf(...own, ...others), expected(':2443', ':2900', ':2080'));
});

test('plain HTTP is taken unless its port is 0', () => {
  const text = haproxyConfiguration(two, optionsOf('--listen-host', '::'), places);
  assert.match(text, /\nfrontend http\n {4}bind \[::\]:80\n {4}use_backend http_unready if/);
  assert.match(text, /\nbackend http\n {4}server edge-1 10\.0\.0\.1:80 track fronts\/edge-1\n/);
  assert.doesNotMatch(haproxyConfiguration(two, optionsOf('--http-port', '0'), places), /http[\n_]/);
});

test('workers of haproxy are another user’s where this program may change users', () => {
  const options = optionsOf('--haproxy-user', 'proxy');
  assert.match(haproxyConfiguration(two, options, { ...places, asRoot: true }), /\n {4}user proxy\n/);
  assert.doesNotMatch(haproxyConfiguration(two, options, places), /\n {4}user /);
});

test('a node is asked once whether it is ready, for all of its ports', () => {
  const asked = haproxyConfiguration(two, optionsOf(), places).match(/^ {4}server .+ check .*$/gm);
  assert.deepEqual(
    asked?.map((line) => line.trim().split(' ')[1]),
    ['edge-1', 'edge-2'],
  );
});

test('where no node is ready, those that accept are used', () => {
  const text = haproxyConfiguration(two, optionsOf(), places);
  assert.match(text, /use_backend fronts_unready if \{ nbsrv\(fronts\) eq 0 \}/);
  assert.match(text, /backend fronts_unready\n {4}server edge-1 10\.0\.0\.1\n/);
});

test('the caller’s address is told by PROXY protocol v2 only when that is asked for', () => {
  assert.doesNotMatch(haproxyConfiguration(two, optionsOf(), places), /send-proxy/);
  const text = haproxyConfiguration(two, optionsOf('--proxy-protocol'), places);
  assert.match(text, /backend connect-edge-1\n {4}server edge-1 10\.0\.0\.1:443 send-proxy-v2\n/);
  assert.match(text, /backend fronts_unready\n {4}server edge-1 10\.0\.0\.1 send-proxy-v2\n/);
  assert.match(text, /backend tunnel-edge-1\n {4}server edge-1 10\.0\.0\.1:9000\n/);
});

test('the same nodes make the same text, in whatever order they come', () => {
  const options = optionsOf();
  assert.equal(
    haproxyConfiguration(two, options, places),
    haproxyConfiguration(nodeList(two.toReversed()), options, places),
  );
});

test('what could be another line of the configuration is no node', () => {
  const refused = { code: 'BALANCER_NODES_INVALID' };
  for (const name of ['edge 1', 'edge-1\n', '', 'a'.repeat(64), '{name}']) {
    assert.throws(() => nodeList([{ name, address: '10.0.0.1' }]), refused);
  }
  for (const address of ['10.0.0.1 check', '10.0.0.1\nglobal', '', '-x']) {
    assert.throws(() => nodeList([{ name: 'edge-1', address }]), refused);
  }
  const many = Array.from({ length: nodesMax + 1 }, (_, n) => ({ name: `edge-${n}`, address: '10.0.0.1' }));
  assert.throws(() => nodeList(many), refused);
  assert.equal(nodeList(many.slice(1)).length, nodesMax);
});

test('static addresses stay where they are until their holder is gone', () => {
  const text = keepalivedConfiguration(
    optionsOf('--virtual-addresses', '10.0.0.100/24', '--own-address', '10.0.0.3', '--peers', '10.0.0.4'),
  );
  assert.match(text, /nopreempt/);
  assert.match(text, /advert_int 0\.30/);
  assert.match(text, /unicast_src_ip 10\.0\.0\.3\n {4}unicast_peer \{\n {8}10\.0\.0\.4\n/);
  assert.match(text, /virtual_ipaddress \{\n {8}10\.0\.0\.100\/24 dev eth0\n/);
});

test('workers of a machine share its fronts; a tunnel goes to the worker that its server name means', () => {
  const machines = nodesByName(['edge-1-2', 'edge-1-1'], '{name}.gw', 2);
  assert.deepEqual(machines, [{ name: 'edge-1', address: 'edge-1.gw' }]);
  const text = haproxyConfiguration(machines, optionsOf('--node-workers', '2'), places);
  for (const [worker, tunnel, ops] of [
    [1, 9000, 9111],
    [2, 9010, 9121],
  ]) {
    const name = `edge-1-${worker}`;
    assert.ok(text.includes(`use_backend tunnel-${name} if { req.ssl_sni -i ${name}.tunnel.gw.example }`));
    assert.ok(text.includes(`backend tunnel-${name}\n    server ${name} edge-1.gw:${tunnel}\n`));
    assert.ok(text.includes(`server ${name} edge-1.gw:${tunnel} check port ${ops} `));
    assert.ok(text.includes(`backend connect-${name}\n    server ${name} edge-1.gw:443\n`));
  }
  assert.ok(text.includes('backend connect\n    server edge-1 edge-1.gw:443 track fronts/edge-1\n\n'));
  assert.match(
    text,
    /status 200\n {4}server edge-1 edge-1\.gw check port 9101 inter 500ms fall 2 rise 1\n\n/,
  );
});

test('where machines have one worker each, a number is part of a node’s name; a node without one is a machine', () => {
  assert.deepEqual(nodesByName(['alpha', 'a-3'], '10.0.0.1', 2), [
    { name: 'a-3', address: '10.0.0.1' },
    { name: 'alpha', address: '10.0.0.1' },
  ]);
  assert.deepEqual(
    nodesByName(['edge-2', 'edge-1'], '{name}.gw').map(({ address }) => address),
    ['edge-1.gw', 'edge-2.gw'],
  );
});

test('no name of a node makes two backends one', () => {
  const nodes = nodeList(['unready', 'connect', 'tunnel'].map((name) => ({ name, address: '10.0.0.1' })));
  const backends = [...haproxyConfiguration(nodes, optionsOf(), places).matchAll(/^backend (.+)$/gm)];
  const names = backends.map(([, name]) => name);
  assert.deepEqual(names, [...new Set(names)]);
});
