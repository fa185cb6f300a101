import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '@postern/telemetry';
import { maskedTitle } from './secret-title.ts';
import { TroubleLog } from './trouble-log.ts';

describe('trouble log', () => {
  it('tells a cause at once, then once a minute, and another one at once', () => {
    let now = 0;
    const lines: string[] = [];
    const logger = createLogger({
      name: 'test',
      destination: { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
    });
    const trouble = new TroubleLog(logger, () => now);
    for (let tries = 0; tries < 5; tries += 1) trouble.tell('no tunnel', new Error('closed'));
    trouble.tell('no tunnel', new Error('silent'));
    now = 60_000;
    trouble.tell('no tunnel', new Error('closed'));
    trouble.clear();
    trouble.tell('no tunnel', new Error('closed'));
    assert.deepEqual(lines, [
      'no tunnel: closed',
      'no tunnel: silent',
      'no tunnel: closed',
      'no tunnel: closed',
    ]);
    assert.equal(trouble.last, 'no tunnel: closed');
  });
});

describe('process title', () => {
  it('hides what the old flags and a proxy’s URL carry, in every spelling', () => {
    const hidden = maskedTitle('postern-client', [
      'abc',
      '-t',
      's1',
      '-ws2',
      '--sectoken=s3',
      '--proxy',
      'http://u:s4@p',
      '-F',
      'file',
    ]);
    assert.equal(hidden, 'postern-client abc -t *** -w*** --sectoken=*** --proxy *** -F file');
  });

  it('leaves a title without secrets alone', () => {
    assert.equal(maskedTitle('postern-client', ['abc', '--transport', 'direct']), null);
  });
});
