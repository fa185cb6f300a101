/** Security tokens. acl owns them and knows their hashes; the text of one is made here, in the answer, and nowhere else. */
import type { Bus } from '@postern/bus';
import {
  NewToken,
  Token,
  TokenInput,
  ask,
  createToken,
  getToken,
  listTokens,
  newToken,
  revokeToken,
  secretHash,
} from '@postern/contracts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { demandRevision } from '../http/entity-tag.ts';
import { actorOf } from '../http/permission.ts';
import { PageQuery, pageAnswer, pageRequest } from '../http/page.ts';
import { answerOf, bodyOf, param } from '../http/shape.ts';

const TokenAnswer = answerOf('Token', Token.properties);
const tag = 'Security tokens';
const path = '/gateways/:gatewayId/tokens';

/** The calls on security tokens. */
export function tokenEndpoints(bus: Bus): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      path,
      operationId: 'listTokens',
      tag,
      summary: 'The tokens of a gateway that were not revoked',
      query: PageQuery,
      status: 200,
      answer: pageAnswer(TokenAnswer),
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        return { body: await ask(bus, listTokens, { gatewayId, ...pageRequest(call.query) }) };
      },
    }),
    endpoint({
      method: 'POST',
      path,
      operationId: 'createToken',
      tag,
      summary: 'Make a token',
      description: 'The answer has the token itself: the only time that it is shown. Others stay valid.',
      body: bodyOf('NewToken', TokenInput.properties),
      status: 201,
      answer: answerOf('TokenWithSecret', NewToken.properties),
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        const text = newToken();
        const made = { input: call.body, hash: secretHash(text) };
        const token = await ask(bus, createToken, { gatewayId, ...made, ...actorOf(call.actor) });
        const location = `/gateways/${gatewayId}/tokens/${token.id}`;
        return { body: { ...token, token: text }, revision: token.revision, location };
      },
    }),
    endpoint({
      method: 'GET',
      path: `${path}/:tokenId`,
      operationId: 'getToken',
      tag,
      summary: 'One token, without its text',
      status: 200,
      answer: TokenAnswer,
      handle: async (call) => {
        const token = await ask(bus, getToken, {
          gatewayId: param(call, 'gatewayId'),
          id: param(call, 'tokenId'),
        });
        return { body: token, revision: token.revision };
      },
    }),
    endpoint({
      method: 'DELETE',
      path: `${path}/:tokenId`,
      operationId: 'revokeToken',
      atNodes: true,
      tag,
      summary: 'Revoke a token',
      description:
        'The tunnels that it opened close at once; at a node that is cut off from the bus they do when it is back.',
      conditional: true,
      status: 204,
      handle: async (call) => {
        const one = { gatewayId: param(call, 'gatewayId'), id: param(call, 'tokenId') };
        if (call.ifMatch !== undefined) {
          demandRevision(call.ifMatch, (await ask(bus, getToken, one)).revision);
        }
        await ask(bus, revokeToken, one);
        return {};
      },
    }),
  ];
}
