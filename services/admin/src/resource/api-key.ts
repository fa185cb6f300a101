/** API keys. acl owns them; the text of one is in the answer to its making, and nowhere else. */
import type { Bus } from '@postern/bus';
import {
  ApiKey,
  ApiKeyInput,
  NewApiKey,
  ask,
  createApiKey,
  deleteApiKey,
  listApiKeys,
  newApiKey,
  secretHash,
  pageItemsMax,
} from '@postern/contracts';
import { adminError } from '../errors.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { demandRevision } from '../http/entity-tag.ts';
import { actorOf } from '../http/permission.ts';
import { PageQuery, pageAnswer, pageRequest } from '../http/page.ts';
import { answerOf, bodyOf, param } from '../http/shape.ts';

const ApiKeyAnswer = answerOf('ApiKey', ApiKey.properties);
const tag = 'API keys';

/** The calls on API keys. */
export function apiKeyEndpoints(bus: Bus): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      path: '/api-keys',
      operationId: 'listApiKeys',
      tag,
      summary: 'All API keys, without their texts',
      query: PageQuery,
      status: 200,
      answer: pageAnswer(ApiKeyAnswer),
      handle: async ({ query }) => ({ body: await ask(bus, listApiKeys, pageRequest(query)) }),
    }),
    endpoint({
      method: 'POST',
      path: '/api-keys',
      operationId: 'createApiKey',
      tag,
      summary: 'Make an API key',
      description: 'The answer has the key itself: the only time that it is shown.',
      body: bodyOf('NewApiKey', ApiKeyInput.properties),
      status: 201,
      answer: answerOf('ApiKeyWithSecret', NewApiKey.properties),
      handle: async ({ body, actor }) => {
        const text = newApiKey();
        const made = { input: body, hash: secretHash(text) };
        const key = await ask(bus, createApiKey, { ...made, ...actorOf(actor) });
        return { body: { ...key, key: text }, revision: key.revision, location: `/api-keys/${key.id}` };
      },
    }),
    endpoint({
      method: 'GET',
      path: '/api-keys/:apiKeyId',
      operationId: 'getApiKey',
      tag,
      summary: 'One API key, without its text',
      status: 200,
      answer: ApiKeyAnswer,
      handle: async (call) => {
        const key = await find(bus, param(call, 'apiKeyId'));
        return { body: key, revision: key.revision };
      },
    }),
    endpoint({
      method: 'DELETE',
      path: '/api-keys/:apiKeyId',
      operationId: 'deleteApiKey',
      tag,
      summary: 'Delete an API key',
      description: 'It is refused from then on.',
      conditional: true,
      status: 204,
      handle: async (call) => {
        const id = param(call, 'apiKeyId');
        if (call.ifMatch !== undefined) demandRevision(call.ifMatch, (await find(bus, id)).revision);
        await ask(bus, deleteApiKey, { id });
        return {};
      },
    }),
  ];
}

/** acl lists keys and does not show one; it bounds how many there are, so this ends. */
async function find(bus: Bus, id: string): Promise<ApiKey> {
  let cursor: string | null = null;
  do {
    const page: { items: ApiKey[]; nextCursor: string | null } = await ask(bus, listApiKeys, {
      limit: pageItemsMax,
      cursor,
    });
    const key = page.items.find((one) => one.id === id);
    if (key !== undefined) return key;
    cursor = page.nextCursor;
  } while (cursor !== null);
  throw adminError('ADMIN_API_KEY_UNKNOWN', `there is no API key ${id}`);
}
