import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lateService, type Opened } from './late-service.ts';
import type { Service } from './service.ts';

function setup(): { log: string[]; opened: Opened } {
  const log: string[] = [];
  const service: Service = {
    name: 'inner',
    start: async () => void log.push('start'),
    ready: () => ({ ready: true, waitingFor: [] }),
    status: () => ({ inner: true }),
    stop: async () => void log.push('stop'),
  };
  return { log, opened: { service, close: async () => void log.push('close') } };
}

describe('a late service', () => {
  it('says what it waits for until its parts are opened, then speaks for them', async () => {
    const { log, opened } = setup();
    const opening = Promise.withResolvers<Opened>();
    const late = lateService({ name: 'late', waitsFor: ['bus'], open: () => opening.promise });
    const started = late.start();
    assert.deepEqual(late.ready(), { ready: false, waitingFor: ['bus'] });
    assert.equal(late.status(), null);
    opening.resolve(opened);
    await started;
    assert.equal(late.ready().ready, true);
    assert.deepEqual(late.status(), { inner: true });
    await late.stop();
    await late.stop();
    assert.deepEqual(log, ['start', 'stop', 'close']);
  });

  it('gives up opening when it is asked to stop', async () => {
    const late = lateService({
      name: 'late',
      waitsFor: ['bus'],
      open: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('given up')));
        }),
    });
    const started = late.start();
    await late.stop();
    await assert.rejects(started, /given up/);
  });

  it('closes what was opened after it was asked to stop, and never starts it', async () => {
    const { log, opened } = setup();
    const opening = Promise.withResolvers<Opened>();
    const late = lateService({ name: 'late', waitsFor: [], open: () => opening.promise });
    const started = late.start();
    const stopped = late.stop();
    opening.resolve(opened);
    await Promise.all([started, stopped]);
    assert.deepEqual(log, ['stop', 'close']);
  });

  it('fails to start when its parts cannot be opened, and can be stopped then', async () => {
    const late = lateService({
      name: 'late',
      waitsFor: [],
      open: () => Promise.reject(new Error('refused')),
    });
    await assert.rejects(late.start(), /refused/);
    await late.stop();
  });
});
