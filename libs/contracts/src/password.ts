/**
 * Passwords of the SOCKS proxies before resources. certstore keeps each sealed, bound to the gateway and the proxy that it
 * was given for, and gives it as it gives keys (material.ts): sealed to the end that dials, where a destination names it.
 * A destination has its ID alone, so the password is in no list, no feed and no export. Another password is another ID.
 */
import { Type, type Static } from 'typebox';
import { Done } from './object.ts';
import { defineQuestion } from './question.ts';

/** What the ID of every password begins with; IDs of certificates never do. */
export const passwordIdPrefix = 'password';

/** Whether an ID is a password's. What it names never changes, so it counts no revisions but 1. */
export function isPasswordId(id: string): boolean {
  return id.startsWith(passwordIdPrefix);
}

/** Whom a password may be shown to. */
export const PasswordPlace = Type.Object(
  {
    gatewayId: Type.String({ minLength: 1, maxLength: 64 }),
    host: Type.String({ minLength: 1, maxLength: 253 }),
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
    username: Type.String({ minLength: 1, maxLength: 255 }),
    address: Type.Optional(
      Type.String({
        minLength: 2,
        maxLength: 45,
        description: 'what the destination says the host’s address is',
      }),
    ),
  },
  { additionalProperties: false },
);
export type PasswordPlace = Static<typeof PasswordPlace>;

/**
 * The place of a destination's proxy. Where its `hosts` say what the proxy's address is, that is part of it: who may change
 * them decides who is dialled.
 */
export function passwordPlace(
  gatewayId: string,
  {
    hosts = {},
    proxy,
  }: {
    readonly hosts?: Readonly<Record<string, string>>;
    readonly proxy: { readonly host: string; readonly port: number; readonly username?: string } | null;
  },
): PasswordPlace {
  const { host = '', port = 0, username = '' } = proxy ?? {};
  const address = Object.entries(hosts).find(([name]) => plainName(name) === plainName(host))?.[1];
  return { gatewayId, host, port, username, ...(address === undefined ? {} : { address }) };
}

/** Names are stored in ASCII. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** A password as it is stored, and as admin sends it, sealed. */
export const PasswordContents = Type.Object(
  { place: PasswordPlace, password: Type.String({ minLength: 1, maxLength: 255 }) },
  { additionalProperties: false },
);
export type PasswordContents = Static<typeof PasswordContents>;

/**
 * Stores a password; `sealed` is `PasswordContents` for the intake key. One that no destination names is dropped after a
 * while. `CERTSTORE_LIMIT` (409) when there are as many as there may be.
 */
export const createPassword = defineQuestion(
  'certstore.passwords.create',
  Type.Object({ sealed: Type.String({ minLength: 1, maxLength: 8_192 }) }),
  Type.Object({ id: Type.String() }),
);

/** Drops a password whose destination was not made. */
export const deletePassword = defineQuestion(
  'certstore.passwords.delete',
  Type.Object({ id: Type.String({ pattern: `^${passwordIdPrefix}`, maxLength: 64 }) }),
  Done,
);
