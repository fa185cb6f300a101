import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Findings } from './findings.ts';

const finding = (destinationId: string) => ({ destinationId, ok: false, since: '', cause: 'refused' });

it('keeps half of all findings for one gateway, whose clients heard of longest ago are forgotten', () => {
  const findings = new Findings(8);
  findings.keep('g2', 'other', [finding('d1')], 0);
  for (const client of ['c1', 'c2', 'c3']) findings.keep('g1', client, [finding('d1'), finding('d2')], 0);
  assert.equal(findings.size, 5);
  assert.equal(findings.get('c1', 'd1'), undefined);
  assert.ok(findings.get('c2', 'd1'));
  assert.ok(findings.get('c3', 'd2'));
  findings.keep('g1', 'c2', [finding('d1')], 1);
  findings.keep('g1', 'c4', [finding('d1')], 1);
  assert.equal(findings.get('c3', 'd1'), undefined);
  assert.ok(findings.get('c2', 'd2'));
  assert.ok(findings.get('other', 'd1'));
});

it('keeps no more than all together may have', () => {
  const findings = new Findings(4);
  for (const gateway of ['g1', 'g2', 'g3'])
    findings.keep(gateway, `${gateway}_c`, [finding('d1'), finding('d2')], 0);
  assert.equal(findings.size, 4);
  assert.equal(findings.get('g1_c', 'd1'), undefined);
});

it('has room again where a destination is not checked any more', () => {
  const findings = new Findings(4);
  findings.keep('g1', 'c1', [finding('d1')], 0);
  findings.keep('g1', 'c2', [finding('d1')], 0);
  findings.forget('g1', 'd1');
  assert.equal(findings.size, 0);
  findings.keep('g1', 'c3', [finding('d2'), finding('d3')], 0);
  assert.equal(findings.size, 2);
  const all = [...findings.list('g1', new Set(['c1', 'c3']), new Set(['d1', 'd3']))];
  assert.deepEqual(all, [{ clientId: 'c3', ...finding('d3') }]);
});

it('knows nothing of a client any more once nothing that it found is checked', () => {
  const findings = new Findings(8);
  findings.keep('g1', 'c1', [finding('d1'), finding('d2')], 0);
  findings.keep('g1', 'c2', [finding('d1')], 0);
  findings.forget('g1', 'd1');
  assert.deepEqual(
    [...findings.clients()].map(({ clientId }) => clientId),
    ['c1'],
  );
  findings.forget('g1', 'd2');
  assert.deepEqual([...findings.clients()], []);
});
