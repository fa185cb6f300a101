import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as contracts from '@postern/contracts';
import { busPermissions, busServices, natsAuthorization } from './bus-permission.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

const questions = Object.entries(contracts as Record<string, unknown>).flatMap(([name, value]) => {
  const { subject, since, checkRequest } = (value ?? {}) as {
    subject?: string;
    since?: { subject: string };
    checkRequest?: unknown;
  };
  const asked = subject ?? since?.subject;
  const isNotice = since === undefined && checkRequest === undefined;
  return asked === undefined ? [] : [{ name, subject: asked, isNotice }];
});

test('every question that a service names in its source it may ask, or answer in its room', () => {
  assert(questions.length > 40);
  for (const service of busServices.filter((one) => one !== 'setup')) {
    const source = sourceOf(service);
    for (const { name, subject } of questions) {
      if (!new RegExp(`\\b${name}\\b`).test(source)) continue;
      assert(
        mayAsk(service, subject) || may(busPermissions[service].subscribe, subject),
        `${service} names ${name} (${subject}): add it to bus-permission.ts, or it will be denied`,
      );
    }
  }
});

test('whoever may ask a service is answered by it, and nobody else', () => {
  for (const service of busServices) {
    const { subscribe, answers } = busPermissions[service];
    const answered = questions.filter(({ subject, isNotice }) => !isNotice && may(subscribe, subject));
    const askers = busServices.filter((asker) => answered.some(({ subject }) => mayAsk(asker, subject)));
    assert.deepEqual(answers, askers, service);
  }
});

function mayAsk(service: (typeof busServices)[number], subject: string): boolean {
  const { publish, publishNot } = busPermissions[service];
  return may(publish, subject) && !may(publishNot, subject);
}

function may(list: readonly string[], subject: string): boolean {
  return list.some((pattern) => matches(pattern, subject) || matches(pattern, `${subject}.x`));
}

function sourceOf(service: string): string {
  return globSync(`services/${service}/src/**/*.ts`, { cwd: root })
    .filter((file) => !/\.test\.ts$|fixture|fake-/.test(file))
    .map((file) => readFileSync(`${root}/${file}`, 'utf8'))
    .join('\n');
}

function matches(pattern: string, subject: string): boolean {
  const [wanted, tokens] = [pattern.split('.'), subject.split('.')];
  for (const [index, want] of wanted.entries()) {
    if (want === '>') return tokens.length > index;
    if (want !== '*' && want !== tokens[index]) return false;
  }
  return wanted.length === tokens.length;
}

test('nobody may say or hear everything, nor hear the answers to another', () => {
  for (const service of busServices) {
    const { publish, subscribe } = busPermissions[service];
    for (const subject of [...publish, ...subscribe]) {
      assert.notEqual(subject, '>');
      assert(!subject.startsWith('_INBOX'), subject);
      assert(!subject.startsWith('*'), subject);
    }
  }
});

test('NATS is told public keys only', () => {
  const keys = Object.fromEntries(busServices.map((service) => [service, `U${service.toUpperCase()}`]));
  const text = natsAuthorization(keys);
  for (const service of busServices)
    assert.match(text, new RegExp(`nkey: U${service.toUpperCase()}, permissions`));
  assert.match(text, /subscribe: \{ allow: \[.*"_INBOX_postern-acl\.>"\] \}/);
});
