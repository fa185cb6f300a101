import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AccessRule, compileAccessList } from '@postern/access';
import { AccessGuard } from './access-guard.ts';

const rule = (action: 'allow' | 'deny', host: string): AccessRule => ({ action, host, port: '*' });
const target = { host: 'db.corp', port: 5432 };

describe('access guard', () => {
  it('denies everything before a list has come', () => {
    assert.equal(new AccessGuard().decide(target).allowed, false);
  });

  it('asks both lists, and names the one that denies', () => {
    const guard = new AccessGuard();
    guard.setGatewayList(1, { revision: 1, rules: [rule('allow', '*')] });
    assert(guard.decide(target).allowed);
    guard.setOwnList(compileAccessList([rule('allow', 'other.corp')]));
    assert.match(guard.decide(target).reason, /client's own/);
    guard.setOwnList(compileAccessList([]));
    assert.equal(guard.decide(target).allowed, false);
    guard.setOwnList(null);
    guard.setGatewayList(1, { revision: 2, rules: [] });
    assert.match(guard.decide(target).reason, /gateway's/);
  });

  it('takes the newest list that nodes have sent, also when the tunnel of its node has gone', () => {
    const guard = new AccessGuard();
    guard.setGatewayList(1, { revision: 5, rules: [] });
    guard.setGatewayList(2, { revision: 4, rules: [rule('allow', '*')] });
    assert.equal(guard.decide(target).allowed, false);
    guard.forgetTunnel(1);
    assert.equal(guard.decide(target).allowed, false);
    guard.forgetTunnel(2);
    guard.setGatewayList(3, { revision: 4, rules: [rule('allow', '*')] });
    assert.equal(guard.decide(target).allowed, false, 'a node that lags behind brings nothing back');
    guard.setGatewayList(3, { revision: 6, rules: [rule('allow', '*')] });
    assert(guard.decide(target).allowed);
  });

  it('asks for denials again on the resolved address, at both ends', () => {
    const guard = new AccessGuard();
    guard.setGatewayList(1, { revision: 1, rules: [rule('allow', '*.corp'), rule('deny', '10.0.0.0/8')] });
    assert.equal(guard.denialOf(target, '10.1.1.1')?.rule?.list, 'gateway');
    assert.equal(guard.denialOf(target, '192.168.0.1'), null);
    guard.setOwnList(compileAccessList([rule('allow', '*'), rule('deny', '192.168.0.1')]));
    assert.equal(guard.denialOf(target, '192.168.0.1')?.rule?.list, 'client');
  });
});
