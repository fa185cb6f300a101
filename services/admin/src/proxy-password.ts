/**
 * The password of a proxy on its way from an operator to certstore. It is taken out of the body before the router is asked,
 * sealed, and the body goes on with its ID; so nobody but certstore ever sees it. When the router does not take the body,
 * the password is dropped again.
 */
import { toAsciiHost } from '@postern/access';
import type { Bus } from '@postern/bus';
import {
  type PasswordContents,
  type ResourceProxyInput,
  ask,
  createPassword,
  deletePassword,
  passwordPlace,
} from '@postern/contracts';
import { withSealed } from './certstore-intake.ts';
import { adminError, isWithoutEffect } from './errors.ts';

type Proxy = NonNullable<ResourceProxyInput>;
interface Body {
  readonly resource?:
    | { readonly proxy?: Partial<Record<keyof Proxy, unknown>> | null | undefined; readonly hosts?: unknown }
    | undefined;
}

/** Where a password is found in a body, and what the proxy is to be: of a patch, with what it has already. */
export interface Carried<Sent> {
  readonly body: Sent;
  readonly gatewayId: string;
  /** Proxy and hosts as they are now; null for a new destination. */
  readonly former: () => Promise<{ readonly proxy: Partial<Proxy> | null; readonly hosts?: object } | null>;
}

/** Has `send` ask with a body that names the password by its ID. `password: null` is `passwordId: null`. */
export async function withPassword<Sent extends Body, Result>(
  bus: Bus,
  { body, gatewayId, former }: Carried<Sent>,
  send: (body: Sent) => Promise<Result>,
): Promise<Result> {
  const given = body.resource?.proxy;
  if (given === undefined || given === null || given.password === undefined) return send(body);
  const { password, ...rest } = given;
  const named = (passwordId: string | null): Sent => ({
    ...body,
    resource: { ...body.resource, proxy: { ...rest, passwordId } },
  });
  if (password === null) return send(named(null));
  const now = await former();
  const hosts = hostsOf(now?.hosts, body.resource?.hosts);
  const contents = contentsOf(gatewayId, { ...now?.proxy, ...rest }, hosts, password);
  const { id } = await withSealed(bus, contents, (sealed) => ask(bus, createPassword, { sealed }));
  try {
    return await send(named(id));
  } catch (error) {
    // Where nobody knows whether it is named now, certstore finds out by itself; so it does where this does not reach it.
    if (isWithoutEffect(error)) await ask(bus, deletePassword, { id }).catch(() => {});
    throw error;
  }
}

/** As the patch leaves them; null takes all away. */
function hostsOf(former: object | undefined, given: unknown): object {
  if (given === null) return {};
  return typeof given === 'object' ? { ...former, ...given } : (former ?? {});
}

function contentsOf(
  gatewayId: string,
  { host, port, username }: Partial<Record<keyof Proxy, unknown>>,
  hosts: object,
  password: unknown,
): PasswordContents {
  // RFC 1929 gives it one byte of length.
  if (typeof password !== 'string' || password === '' || Buffer.byteLength(password) > 255)
    throw refused('/resource/proxy/password', 'must be 1 to 255 bytes of UTF-8');
  if (typeof username !== 'string' || username === '')
    throw refused('/resource/proxy/username', 'must be given where there is a password');
  if (typeof host !== 'string' || typeof port !== 'number')
    throw refused('/resource/proxy/host', 'must be given, with port');
  const given = Object.entries(hosts).flatMap(([name, address]) =>
    typeof address === 'string' ? [[toAsciiHost(name), address]] : [],
  );
  const proxy = { host: toAsciiHost(host), port, username };
  return { place: passwordPlace(gatewayId, { hosts: Object.fromEntries(given), proxy }), password };
}

function refused(path: string, message: string): Error {
  return adminError('ADMIN_BODY_INVALID', `${path} ${message}`, { errors: [{ path, message }] });
}
