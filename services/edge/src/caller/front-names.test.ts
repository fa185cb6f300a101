import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frontOf, routeOf } from '../fixture/documents.ts';
import { FrontNames } from './front-names.ts';

const named = (id: string, host: string) =>
  routeOf({ id, shared: true, front: frontOf({ host, port: 443 }) });

test('an exact name goes before a wildcard, and a wildcard has one label', () => {
  const names = new FrontNames();
  for (const [id, host] of [
    ['all', '*.example.com'],
    ['one', 'A.example.com.'],
    ['below', '*.b.example.com'],
  ] as const) {
    names.apply(id, named(id, host));
  }
  const found = (name: string) => names.find(name)?.id;
  assert.equal(found('a.example.com'), 'one');
  assert.equal(found('x.example.com'), 'all');
  assert.equal(found('b.example.com'), 'all');
  assert.equal(found('x.b.example.com'), 'below');
  assert.equal(found('x.a.example.com'), undefined);
  assert.equal(found('example.com'), undefined);
  assert.equal(found('com'), undefined);
  assert.equal(found(''), undefined);
});

test('a name that is given up is nobody’s, and one that has passed on is not taken back', () => {
  const names = new FrontNames();
  names.apply('one', named('one', 'a.example'));
  names.apply('one', named('one', 'b.example'));
  assert.equal(names.find('a.example'), undefined);
  names.apply('two', named('two', 'b.example'));
  names.apply('one', null);
  assert.equal(names.find('b.example')?.id, 'two');
  assert.equal(names.size, 1);
});

test('the platform’s own names are nobody’s, not even by a wildcard that covers them', () => {
  const names = new FrontNames(['Gw.example.test', 'alt.example.org']);
  names.apply('all', named('all', '*.example.test'));
  names.apply('alt', named('alt', 'alt.example.org'));
  assert.equal(names.find('gw.example.test'), undefined);
  assert.equal(names.find('alt.example.org'), undefined);
  assert.equal(names.find('shop.example.test')?.id, 'all');
});
