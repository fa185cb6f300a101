import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ServiceError } from '@postern/contracts';
import { Type } from 'typebox';
import { bodyCheck, queryCheck } from './validation.ts';

const Body = Type.Object(
  {
    name: Type.String({ minLength: 2 }),
    note: Type.Optional(Type.String()),
    mode: Type.Optional(Type.Union([Type.Literal('none'), Type.Literal('tls')], { default: 'none' })),
    tls: Type.Optional(
      Type.Object({ serverName: Type.Union([Type.String(), Type.Null()]) }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
);
const check = bodyCheck(Body);

function faults(body: unknown): [string, string][] {
  try {
    check(body);
  } catch (error) {
    assert(error instanceof ServiceError);
    assert.equal(error.code, 'ADMIN_BODY_INVALID');
    return (error.body.errors ?? []).map((fault) => [fault.path, fault.message]);
  }
  return [];
}

describe('a body', () => {
  it('is taken as it is; its defaults are its owner’s', () => {
    assert.deepEqual(check({ name: 'orders' }), { name: 'orders' });
  });

  it('is refused with a JSON pointer to what is missing', () => {
    assert.deepEqual(faults({}), [['/name', 'is required']]);
    assert.deepEqual(faults({ name: 'ab', tls: {} }), [['/tls/serverName', 'is required']]);
  });

  it('is refused with the name of an unknown field', () => {
    assert.deepEqual(faults({ name: 'ab', nam: 1 }), [['/nam', 'is not a known field']]);
    assert.deepEqual(faults({ name: 'ab', tls: { serverName: null, 'a/b~': 1 } }), [
      ['/tls/a~1b~0', 'is not a known field'],
    ]);
  });

  it('is told what may be chosen', () => {
    assert.deepEqual(faults({ name: 'ab', mode: 'x' }), [['/mode', 'must be "none" or "tls"']]);
  });

  it('is refused when it is no object', () => {
    assert.deepEqual(faults(null), [['', 'must be object']]);
    assert.deepEqual(faults([]), [['', 'must be object']]);
  });

  it('that is missing is one without fields', () => {
    assert.deepEqual(faults(undefined), [['/name', 'is required']]);
  });

  it('never lets __proto__ in', () => {
    assert.notDeepEqual(faults(JSON.parse('{"name":"ab","__proto__":{"x":1}}')), []);
  });
});

describe('a query', () => {
  const Query = Type.Object(
    { limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }), all: Type.Optional(Type.Boolean()) },
    { additionalProperties: false },
  );

  it('becomes numbers and booleans', () => {
    assert.deepEqual(queryCheck(Query)({ limit: '12', all: 'true' }), { limit: 12, all: true });
    assert.deepEqual(queryCheck(Query)({}), { limit: 50 });
  });

  it('is refused by the name of the parameter', () => {
    for (const query of [{ limit: '0' }, { limit: '12x' }, { limit: ['1', '2'] }]) {
      assert.throws(
        () => queryCheck(Query)(query),
        (error) => error instanceof ServiceError && error.body.errors?.[0]?.path === 'limit',
      );
    }
  });
});
