/** The source rules of a destination's front: who may call it. acl owns them. */
import type { Bus } from '@postern/bus';
import {
  SourceRule,
  SourceRuleInput,
  SourceRules,
  SourceRulesInput,
  addSourceRule,
  ask,
  getSourceRules,
  putSourceRules,
} from '@postern/contracts';
import { askToChange } from '../change.ts';
import { endpoint, type Call, type Endpoint } from '../http/endpoint.ts';
import { expectedRevision } from '../http/entity-tag.ts';
import { actorOf } from '../http/permission.ts';
import { returnableBody, takeChange } from '../http/read-only.ts';
import { answerOf, bodyOf, param, withRevision } from '../http/shape.ts';
import { shownRules, withOrigins } from './rule-origin.ts';

const { origins: _origins, ...listProperties } = SourceRules.properties;
const SourceRulesAnswer = answerOf('SourceRules', { ...listProperties, rules: shownRules(SourceRule) });
const NewSourceRules = returnableBody(
  bodyOf('NewSourceRules', SourceRulesInput.properties),
  SourceRulesAnswer,
);
const tag = 'Source rules';
const path = '/gateways/:gatewayId/destinations/:destinationId/source-rules';

/** The calls on source rules. */
export function sourceRuleEndpoints(bus: Bus): Endpoint[] {
  const revisionFor = (call: Pick<Call, 'ifMatch'>, front: Front): Promise<number | undefined> =>
    expectedRevision(call.ifMatch, async () => (await ask(bus, getSourceRules, front)).revision);
  return [
    endpoint({
      method: 'GET',
      path,
      operationId: 'getSourceRules',
      tag,
      summary: 'Which sources may call a front',
      status: 200,
      answer: SourceRulesAnswer,
      handle: async (call) => {
        const rules = await ask(bus, getSourceRules, frontOf(call));
        return { body: withOrigins(rules), revision: rules.revision };
      },
    }),
    endpoint({
      method: 'PUT',
      path,
      operationId: 'putSourceRules',
      atNodes: true,
      tag,
      summary: 'Replace the source rules',
      description:
        'Not restricted: anybody may call. Restricted: only the rules, and without rules nobody. ' +
        'Streams that are no longer allowed are reset at once.',
      body: NewSourceRules.schema,
      conditional: true,
      status: 200,
      answer: SourceRulesAnswer,
      handle: async (call) => {
        const front = frontOf(call);
        const current = () => ask(bus, getSourceRules, front);
        const { body, revision } = await takeChange(call, NewSourceRules.fields, current);
        const rules = await askToChange(
          bus,
          putSourceRules,
          { ...front, input: body, ...actorOf(call.actor) },
          { revision, current },
        );
        return { body: withOrigins(rules), revision: rules.revision };
      },
    }),
    endpoint({
      method: 'POST',
      path,
      operationId: 'addSourceRule',
      atNodes: true,
      tag,
      summary: 'Add a source rule',
      description: 'In place of the one with the same `app`. Whether the front is restricted stays as it is.',
      body: bodyOf('SourceRule', SourceRuleInput.properties),
      conditional: true,
      status: 200,
      answer: SourceRulesAnswer,
      handle: async (call) => {
        const front = frontOf(call);
        const revision = await revisionFor(call, front);
        const by = actorOf(call.actor);
        const change = { ...front, rule: call.body, ...withRevision(revision), ...by };
        const rules = await ask(bus, addSourceRule, change);
        return { body: withOrigins(rules), revision: rules.revision };
      },
    }),
  ];
}

interface Front {
  gatewayId: string;
  destinationId: string;
}

function frontOf(call: Pick<Call, 'params'>): Front {
  return { gatewayId: param(call, 'gatewayId'), destinationId: param(call, 'destinationId') };
}
