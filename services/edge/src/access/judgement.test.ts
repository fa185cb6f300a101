import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policy, Route } from '@postern/contracts';
import { judgeHandshake, judgeKept, judgeNew, judgeOwn, judgeRunning } from './judgement.ts';
import { ownListOf } from './rulebook.ts';
import { frontOf, policyOf, routeOf } from '../fixture/documents.ts';

const caller = { address: '192.0.2.7', port: 40_000 };

function codeOf(route: Partial<Route>, policy: Partial<Policy> | undefined): string | undefined {
  return judgeNew(routeOf(route), policy === undefined ? undefined : policyOf(policy), caller)?.code;
}

test('a caller that every rule allows is let through', () => {
  assert.equal(codeOf({}, {}), undefined);
});

test('the first reason in order is the one that is told', () => {
  const restricted = [{ destinationId: 'd1', restricted: true, rules: [] }];
  assert.equal(
    codeOf({ enabled: false, gatewayEnabled: false }, { accessList: [] }),
    'EDGE_DESTINATION_DISABLED',
  );
  assert.equal(codeOf({ gatewayEnabled: false }, { accessList: [] }), 'EDGE_GATEWAY_DISABLED');
  assert.equal(codeOf({}, undefined), 'EDGE_GATEWAY_DISABLED');
  assert.equal(codeOf({}, { enabled: false, accessList: [] }), 'EDGE_GATEWAY_DISABLED');
  assert.equal(codeOf({}, { sourceRules: restricted, accessList: [] }), 'EDGE_SOURCE_DENIED');
  assert.equal(codeOf({}, { accessList: [] }), 'EDGE_ACCESS_DENIED');
});

test('a denial names the rule', () => {
  const accessList: Policy['accessList'] = [
    { action: 'allow', host: '*', port: '*' },
    { action: 'deny', host: '10.0.0.5', port: '5432' },
  ];
  const cause = judgeNew(routeOf({}), policyOf({ accessList }), caller);
  assert.equal(cause?.code, 'EDGE_ACCESS_DENIED');
  assert.match(cause?.rule ?? '', /^1: .*10\.0\.0\.5/);
});

test('a list that cannot be read allows nothing', () => {
  const accessList: Policy['accessList'] = [{ action: 'allow', host: '!!', port: 'x' }];
  assert.equal(codeOf({}, { accessList }), 'EDGE_ACCESS_DENIED');
});

test('what runs goes on when its destination is disabled, and ends when it is deleted', () => {
  const target = { host: '10.0.0.5', port: 5432 };
  assert.equal(judgeRunning(routeOf({ enabled: false }), policyOf({}), caller, target), null);
  assert.equal(judgeRunning(undefined, policyOf({}), caller, target)?.code, 'EDGE_DESTINATION_DELETED');
});

test('the client’s own list denies in its own name', () => {
  const target = { host: '10.0.0.5', port: 5432 };
  const own = ownListOf([{ action: 'deny', host: '10.0.0.5', port: '*' }]);
  const cause = judgeOwn(own, target);
  assert.equal(cause?.code, 'EDGE_CLIENT_DENIED');
  assert.equal(cause?.end, 'client');
  assert.match(cause?.text ?? '', /^the client's own access list: denied by "deny 10\.0\.0\.5:\*"/);
  assert.equal(judgeOwn(null, target), null);
});

test('what is kept for the next request ends with its destination, its gateway, or the last path that is allowed', () => {
  const code = (route: Route | undefined, policy?: Policy) => judgeKept(route, policy)?.code ?? null;
  const somePath: Policy['accessList'] = [{ action: 'allow', host: '*', port: '*', path: '/a' }];
  assert.equal(code(routeOf({}), policyOf({ accessList: somePath })), null);
  assert.equal(code(undefined, policyOf({})), 'EDGE_DESTINATION_DELETED');
  assert.equal(code(routeOf({ gatewayEnabled: false }), policyOf({})), 'EDGE_GATEWAY_DISABLED');
  assert.equal(code(routeOf({}), undefined), 'EDGE_GATEWAY_DISABLED');
  assert.equal(code(routeOf({}), policyOf({ enabled: false })), 'EDGE_GATEWAY_DISABLED');
  assert.equal(code(routeOf({}), policyOf({ accessList: [] })), 'EDGE_ACCESS_DENIED');
});

test('a caller whom the source rules refuse gets no TLS handshake of an HTTP front', () => {
  const sourceRules = [{ destinationId: 'd1', restricted: true, rules: [] }];
  const code = (mode: 'none' | 'server', policy: Partial<Policy> | null) => {
    const front = frontOf({ tls: { ...frontOf().tls, mode } });
    const given = policy === null ? undefined : policyOf(policy);
    return judgeHandshake({ ...routeOf({}), front }, given, caller)?.code ?? null;
  };
  assert.equal(code('server', { sourceRules }), 'EDGE_SOURCE_DENIED');
  assert.deepEqual(
    [code('server', {}), code('none', { sourceRules }), code('server', null)],
    [null, null, null],
  );
});
