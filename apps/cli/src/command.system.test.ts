// What each command line asks of the API, and what it shows of the answer.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { answerAll, certificatePem } from './api.fixture.ts';

const runFile = promisify(execFile);
const commandUrl = JSON.stringify(new URL('command.ts', import.meta.url).href);
/** All lines by one program, since each would load for half a second what the others have loaded. */
const source = `
  import { run } from ${commandUrl};
  for (const line of JSON.parse(process.argv[1])) {
    await run(line).catch((error) => process.stdout.write(error.code + ': ' + error.message + '\\n'));
    process.stdout.write('<end>');
  }
`;

type Asked = [call: string, body?: unknown];
/** What is typed, what the API is asked then, and what is shown. */
type Case = [line: readonly string[], asked: readonly Asked[], shown: string];

const empty = { bootId: 'b', draining: true, ready: false, tunnels: 0, callers: 0 };
const rotation = { state: 'done', keyId: 'k', total: 1, left: 0 };
const answers: Readonly<Record<string, object>> = {
  'GET /gateways?limit=200': { items: [{ id: 'g', enabled: true, clients: 2 }], nextCursor: null },
  'GET /gateways/g/tokens?limit=200': { items: [], nextCursor: null },
  'POST /nodes/n/drain': empty,
  'POST /gateways/g/clients/c%2F1/ping': { tunnels: [{ id: 't', node: 'n', ms: 3 }] },
  'GET /gateways/g/destinations/d': { enabled: true },
  'POST /gateways/g/destinations/d/test': { ok: false, clients: [], nodes: [] },
  'GET /gateways/g/access-list': { revision: 4, rules: [] },
  'PUT /gateways/g/access-list': { revision: 5, rules: [{ action: 'allow', host: 'a', port: '1' }] },
  'GET /key-rotation': rotation,
  'POST /certificates/generate': { id: 'x', download: { base64: 'cGFpcg==' } },
};

/** The lines with what came of each; the API answers with an object that has an ID unless `answers` says else. */
async function runLines(
  t: TestContext,
  lines: readonly (readonly string[])[],
): Promise<{ asked: Asked[]; shown: string[] }> {
  const asked: Asked[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call = `${request.method} ${request.url?.replace('/api/v1', '')}`;
    const body = await text(request);
    asked.push(body === '' ? [call] : [call, JSON.parse(body)]);
    if (request.method === 'DELETE') response.writeHead(204).end();
    else response.end(JSON.stringify(answers[call] ?? { id: 'x' }));
  };
  const { url } = await answerAll(t, (request, response) => void answer(request, response));
  const folder = folderOf(t);
  writeFileSync(join(folder, 'ca.pem'), certificatePem);
  const operator = { adminUrl: url.href, apiKey: 'k', caFile: join(folder, 'ca.pem') };
  writeFileSync(join(folder, 'operator.json'), JSON.stringify(operator));
  const { stdout } = await runFile(
    process.execPath,
    ['--input-type=module', '-e', source, '--', JSON.stringify(lines)],
    { env: { POSTERN_OPERATOR: join(folder, 'operator.json') } },
  ).catch((ended: { code: unknown; stdout: string }) => {
    // A test that did not reach the resource is among them.
    assert.equal(ended.code, 69);
    return ended;
  });
  return { asked, shown: stdout.split('<end>').slice(0, -1) };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-cli-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('each command asks the API for what its line says, and shows the answer', async (t) => {
  const folder = folderOf(t);
  const [file, pair] = [join(folder, 'a.pem'), join(folder, 'pair.zip')];
  writeFileSync(file, 'pem');
  const upload = { files: [Buffer.from('pem').toString('base64')] };
  const target = { host: '10.0.0.5', port: 5432 };
  const list = '/gateways/g/access-list';
  const one = 'id  x\n';
  const cases: Case[] = [
    [
      ['gateways', 'list'],
      [['GET /gateways?limit=200']],
      'ID  NAME  ENABLED  CONNECTED  CLIENTS\ng   –     yes      –          2\n',
    ],
    [['tokens', 'list', 'g'], [['GET /gateways/g/tokens?limit=200']], 'none\n'],
    [['gateways', 'show', 'a/b'], [['GET /gateways/a%2Fb']], one],
    [
      ['gateways', 'create', 'office', '--description', 'x', '--without-token'],
      [['POST /gateways', { name: 'office', description: 'x', requireToken: false }]],
      one,
    ],
    [
      ['gateways', 'update', 'g', '--name', 'n', '--disable'],
      [['PATCH /gateways/g', { name: 'n', enabled: false }]],
      one,
    ],
    [['gateways', 'update', 'g'], [], 'CLI_ARGUMENT_INVALID: nothing is to be changed\n'],
    [['gateways', 'delete', 'g'], [['DELETE /gateways/g']], ''],
    [
      ['tokens', 'create', 'g', '--expires-in-days', '30', '--note', 'me'],
      [['POST /gateways/g/tokens', { expiresInDays: 30, note: 'me' }]],
      one,
    ],
    [['tokens', 'delete', 'g', 't'], [['DELETE /gateways/g/tokens/t']], ''],
    [
      [
        'destinations',
        'create',
        'g',
        'db',
        '10.0.0.5:5432',
        '--hosts',
        'a=1',
        '--hosts',
        'b=2',
        '--compress',
      ],
      [
        [
          'POST /gateways/g/destinations',
          { name: 'db', resource: { ...target, hosts: { a: '1', b: '2' }, compress: true } },
        ],
      ],
      one,
    ],
    [
      ['destinations', 'update', 'g', 'd', '--proxy', 'socks5://p:1080'],
      [
        [
          'PATCH /gateways/g/destinations/d',
          { resource: { proxy: { type: 'socks5', host: 'p', port: 1080, username: null, password: null } } },
        ],
      ],
      one,
    ],
    [
      ['destinations', 'test', 'g', 'd'],
      [['POST /gateways/g/destinations/d/test'], ['GET /gateways/g/destinations/d']],
      '\n',
    ],
    [
      ['clients', 'ping', 'g', 'c/1'],
      [['POST /gateways/g/clients/c%2F1/ping']],
      'TUNNEL  NODE  MS\nt       n     3\n',
    ],
    [
      ['nodes', 'drain', 'n', '--no-wait'],
      [['POST /nodes/n/drain']],
      'bootId    b\ndraining  yes\nready     no\ntunnels   0\ncallers   0\n',
    ],
    [['access-list', 'show', 'g'], [[`GET ${list}`]], 'no rules: everything is denied\n'],
    [
      ['access-list', 'set', 'g', 'allow 10.0.0.5:5432'],
      [[`PUT ${list}`, { rules: [{ action: 'allow', host: '10.0.0.5', port: '5432' }] }]],
      'ACTION  HOST  PORT  PATH  SINCE  BY\nallow   a     1     –     –      –\n',
    ],
    [
      ['access-list', 'add', 'g', 'deny b:2'],
      [[`GET ${list}`], [`PUT ${list}`, { rules: [{ action: 'deny', host: 'b', port: '2' }] }]],
      'ACTION  HOST  PORT  PATH  SINCE  BY\nallow   a     1     –     –      –\n',
    ],
    [['explain', 'g', '10.0.0.5:5432/x'], [[`POST ${list}/explain`, { ...target, path: '/x' }]], one],
    [['certificates', 'upload', 'n', file], [['POST /certificates', { name: 'n', ...upload }]], one],
    [['certificates', 'replace', 'c', file], [['PATCH /certificates/c', upload]], one],
    [
      ['certificates', 'rotate-key', '--show'],
      [['GET /key-rotation']],
      'state  done\nkeyId  k\ntotal  1\nleft   0\n',
    ],
    [
      ['certificates', 'generate', 'n', '--usage', 'server', '--subject', 'a', '--days', '9', '--out', pair],
      [['POST /certificates/generate', { name: 'n', usage: 'server', subject: 'a', days: 9 }]],
      `id    x\nfile  ${pair}\n`,
    ],
  ];
  const { asked, shown } = await runLines(
    t,
    cases.map(([line]) => line),
  );
  assert.deepEqual(
    asked,
    cases.flatMap(([, expected]) => expected),
  );
  assert.deepEqual(
    shown,
    cases.map(([, , answer]) => answer),
  );
  assert.equal(readFileSync(pair, 'utf8'), 'pair');
  assert.equal(statSync(pair).mode & 0o777, 0o600);
});
