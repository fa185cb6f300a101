import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { digestOf } from './part.ts';

test('reads a part line by line: one of millions of lines takes no more memory than its bytes', async () => {
  const head = { room: 'acl', collections: { things: { version: 1, documents: 1 } } };
  const bytes = gzipSync(`${JSON.stringify(head)}\n${'[0]\n'.repeat(4 * 1024 * 1024)}\n`);
  const part = { room: 'acl', bytes: bytes.length, sha256: digestOf(bytes), documents: 1, keyIds: [] };
  const reader = `
    const { parentPort, workerData: { url, part, bytes } } = require('node:worker_threads');
    const things = { collection: { name: 'things', steps: [], unique: [] }, schema: {} };
    import(url)
      .then(({ unpackPart }) => unpackPart(part, [things], Buffer.from(bytes)))
      .catch(({ code }) => parentPort.postMessage(code));`;
  const url = new URL('./part.ts', import.meta.url).href;
  const worker = new Worker(reader, {
    eval: true,
    workerData: { url, part, bytes },
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  });
  assert.deepEqual(await once(worker, 'message'), ['BACKUP_DAMAGED']);
  await worker.terminate();
});
