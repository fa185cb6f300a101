import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { demandRevision, entityTag, expectedRevision } from './entity-tag.ts';

const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;
const seven = async () => 7;

describe('If-Match', () => {
  it('asks for nothing when it is missing or *', async () => {
    assert.equal(await expectedRevision(undefined, seven), undefined);
    assert.equal(await expectedRevision('*', seven), undefined);
  });

  it('holds a change to the revision that it names, which the owner compares', async () => {
    assert.equal(await expectedRevision(entityTag(6), seven), 6);
    assert.equal(await expectedRevision('"3", "7"', seven), 7);
  });

  it('is refused as stale when it is weak, no revision, or none of several fits', async () => {
    for (const header of ['W/"7"', '"x"', '"5", "6"']) {
      await assert.rejects(expectedRevision(header, seven), code('ADMIN_REVISION_STALE'), header);
    }
    assert.throws(() => demandRevision('"6"', 7), code('ADMIN_REVISION_STALE'));
    demandRevision('"7"', 7);
    demandRevision('*', 7);
  });

  it('is refused when it is no list of tags, or too long a one', async () => {
    for (const header of ['7', '"7', Array(17).fill('"7"').join(',')]) {
      await assert.rejects(expectedRevision(header, seven), code('ADMIN_HEADER_INVALID'), header);
    }
  });
});
