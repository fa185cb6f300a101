/** The access list of a gateway, and which of its rules decides. acl owns it. */
import type { Bus } from '@postern/bus';
import {
  AccessDecision,
  AccessList,
  AccessListInput,
  AccessRule,
  AccessTarget,
  ask,
  explainAccess,
  getAccessList,
  putAccessList,
} from '@postern/contracts';
import { askToChange } from '../change.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { actorOf } from '../http/permission.ts';
import { returnableBody, takeChange } from '../http/read-only.ts';
import { answerOf, bodyOf, param } from '../http/shape.ts';
import { shownRules, withOrigins } from './rule-origin.ts';

const { origins: _origins, ...listProperties } = AccessList.properties;
const AccessListAnswer = answerOf('AccessList', { ...listProperties, rules: shownRules(AccessRule) });
const NewAccessList = returnableBody(bodyOf('NewAccessList', AccessListInput.properties), AccessListAnswer);
const tag = 'Access lists';
const path = '/gateways/:gatewayId/access-list';

/** The calls on access lists. */
export function accessListEndpoints(bus: Bus): Endpoint[] {
  const read = (gatewayId: string): Promise<AccessList> => ask(bus, getAccessList, { gatewayId });
  return [
    endpoint({
      method: 'GET',
      path,
      operationId: 'getAccessList',
      tag,
      summary: 'Who may reach what behind a gateway',
      status: 200,
      answer: AccessListAnswer,
      handle: async (call) => {
        const list = await read(param(call, 'gatewayId'));
        return { body: withOrigins(list), revision: list.revision };
      },
    }),
    endpoint({
      method: 'PUT',
      path,
      operationId: 'putAccessList',
      atNodes: true,
      tag,
      summary: 'Replace the access list',
      description:
        'Everything that no rule allows is denied. Streams that are no longer allowed are reset at once.',
      body: NewAccessList.schema,
      conditional: true,
      status: 200,
      answer: AccessListAnswer,
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        const current = () => read(gatewayId);
        const { body, revision } = await takeChange(call, NewAccessList.fields, current);
        const change = { gatewayId, input: body, ...actorOf(call.actor) };
        const list = await askToChange(bus, putAccessList, change, { revision, current });
        return { body: withOrigins(list), revision: list.revision };
      },
    }),
    endpoint({
      method: 'POST',
      path: `${path}/explain`,
      operationId: 'explainAccess',
      tag,
      summary: 'Which rule decides about a host and port, at which end',
      body: bodyOf('AccessTarget', AccessTarget.properties),
      status: 200,
      answer: answerOf('AccessDecision', AccessDecision.properties),
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        const { decisions } = await ask(bus, explainAccess, { gatewayId, targets: [call.body] });
        return { body: decisions[0] };
      },
    }),
  ];
}
