/**
 * From what an operator wrote to a whole object: bodies are checked against the contract's schema, defaults filled in,
 * and what this version does not serve refused by name, so that nothing is taken and ignored. A merge patch is
 * applied to the form that the object has now and then checked as a whole. Hosts are kept in ASCII: as they are resolved,
 * called, claimed and compared; those of fronts in lower case, too, since they are looked up.
 */
import { comparedName, toAsciiHost } from '@postern/access';
import {
  type DestinationFront,
  type DestinationHosts,
  type DestinationInput,
  type DestinationListener,
  GatewayInput,
  PatchedDestination,
  type StreamProtocol,
  destinationDefaults,
  lateCheck,
  patternFault,
} from '@postern/contracts';
import type { Static, TSchema } from 'typebox';
import type {
  DestinationDocument,
  DestinationForm,
  FrontForm,
  GatewayDocument,
  GatewayForm,
} from './document.ts';
import { type BodyFault, invalid, notSupported } from './errors.ts';
import { findFault } from './form-fault.ts';
import { isObject, mergePatch } from './merge-patch.ts';

const faultsMax = 20;

/** The whole form of a gateway. */
export function gatewayForm(input: GatewayInput): GatewayForm {
  const { name, description = '', enabled = true, requireToken = true } = input;
  if (name.trim() === '') throw invalid([{ path: '/name', message: 'must not be blank' }]);
  return { name, description, enabled, requireToken };
}

/** The form of a gateway with a merge patch applied. */
export function patchGateway(document: GatewayDocument, patch: unknown): GatewayForm {
  const { name, description, enabled, requireToken } = document;
  return gatewayForm(checkGateway(mergePatch({ name, description, enabled, requireToken }, patch)));
}

/** The whole form of a destination. Throws `ROUTER_INVALID` or `ROUTER_NOT_SUPPORTED`. */
export function destinationForm(input: DestinationInput): DestinationForm {
  const { kind = 'on-premises', clientPort, front, listener } = input;
  const misplaced = findMisplaced(input);
  if (misplaced !== null) throw invalid([misplaced]);
  const protocol = front?.protocol ?? input.resource.protocol ?? 'tcp';
  const common = {
    name: input.name,
    enabled: input.enabled ?? true,
    resource: resourceForm(input.resource, protocol),
    health: { ...destinationDefaults.health, ...input.health },
  };
  const form: DestinationForm =
    kind === 'cloud' && clientPort !== undefined
      ? { ...common, kind, clientPort, listener: listenerForm(listener ?? {}) }
      : { ...common, kind: 'on-premises', front: frontForm(front ?? {}, protocol) };
  const fault = findFault(form);
  if (fault !== null) throw invalid([fault]);
  const unserved = findUnserved(form);
  if (unserved !== null) throw notSupported(...unserved);
  return form;
}

/**
 * The form of a destination with a merge patch applied; its front's host and port stay unless the patch gives others. A
 * port of null stays too, if the front as it is to be can have it.
 */
export function patchDestination(document: DestinationDocument, patch: unknown): DestinationForm {
  const { name, kind, enabled, resource, front, clientPort, listener, health } = document;
  const place = front === undefined ? { clientPort, listener: listener ?? {} } : { front };
  const whole = { name, kind, enabled, resource, ...place, health };
  const former = withoutGivenProtocol(whole, patch);
  const input = checkDestination(withUsedHosts(mergePatch(former, asciiHosts(patch)), resource.hosts));
  demandSamePlace(resource.proxy, input.resource.proxy ?? null);
  if ((input.kind ?? 'on-premises') !== kind) {
    throw invalid([{ path: '/kind', message: `is fixed: this destination is ${kind}` }]);
  }
  const form = destinationForm(input);
  if (form.kind === 'cloud' || front === undefined) return form;
  const { host, port } = form.front;
  const stays = asksForPort(patch) ? null : front.port;
  return { ...form, front: { ...form.front, host: host ?? front.host, port: port ?? stays } };
}

/** A front and its resource have one protocol: given for one of them alone it is the other's too, as at a creation. */
function withoutGivenProtocol(former: { front?: object }, patch: unknown): unknown {
  const { front, resource } = patch as Record<string, { protocol?: unknown } | null | undefined>;
  const given = front?.protocol ?? resource?.protocol ?? null;
  if (former.front === undefined || given === null) return former;
  return mergePatch(former, { front: { protocol: null }, resource: { protocol: null } });
}

function asksForPort(patch: unknown): boolean {
  return (patch as { front?: { port?: unknown } | null }).front?.port === null;
}

/** Where the patch gives another host, what the former one's address was is of no use any more. Nothing of it is checked yet. */
function withUsedHosts(merged: unknown, former: DestinationHosts | undefined): unknown {
  const { resource } = merged as {
    resource?: { host?: unknown; hosts?: unknown; proxy?: { host?: unknown } | null };
  };
  if (former === undefined || !isObject(resource?.hosts)) return merged;
  const names = [resource.host, resource.proxy?.host].map((host) =>
    typeof host === 'string' ? comparedName(host) : null,
  );
  const used = Object.entries(resource.hosts).filter(
    ([name, address]) => names.includes(comparedName(name)) || former[name] !== address,
  );
  return { ...(merged as object), resource: { ...resource, hosts: Object.fromEntries(used) } };
}

/** Hosts are stored in ASCII: a patch means the same name however it spells it. */
function asciiHosts(patch: unknown): unknown {
  const { resource } = patch as { resource?: { hosts?: unknown } | null };
  if (!isObject(resource?.hosts)) return patch;
  const named = Object.entries(resource.hosts).map(([name, address]) => [toAsciiHost(name), address]);
  return { ...(patch as object), resource: { ...resource, hosts: Object.fromEntries(named) } };
}

type Proxy = DestinationForm['resource']['proxy'];

/** A password was given for one proxy and user, and certstore shows it to no other. */
function demandSamePlace(former: Proxy, now: Proxy): void {
  if (former?.passwordId === undefined || now?.passwordId !== former.passwordId) return;
  if (
    toAsciiHost(now.host) === toAsciiHost(former.host) &&
    now.port === former.port &&
    now.username === former.username
  )
    return;
  const message = 'must be given again for another proxy or user, or null for none';
  throw invalid([{ path: '/resource/proxy/password', message }]);
}

const checkGateway = checker(GatewayInput);
const checkDestination = checker(PatchedDestination);

function checker<Schema extends TSchema>(schema: Schema): (value: unknown) => Static<Schema> {
  const compiled = lateCheck(schema);
  return (value) => {
    if (compiled().Check(value)) return value;
    const faults = compiled()
      .Errors(value)
      .flatMap(({ instancePath, message, params }) =>
        'requiredProperties' in params
          ? params.requiredProperties.map((name) => ({
              path: `${instancePath}/${name}`,
              message: 'is required',
            }))
          : [
              {
                path: instancePath || '/',
                message: ('pattern' in params ? patternFault(params.pattern) : null) ?? message,
              },
            ],
      );
    throw invalid(faults.slice(0, faultsMax));
  };
}

function resourceForm(
  { host, tls = {}, hosts = {}, proxy = null, ...others }: DestinationInput['resource'],
  protocol: StreamProtocol,
): DestinationForm['resource'] {
  return {
    ...destinationDefaults.resource,
    protocol,
    ...others,
    host: toAsciiHost(host.replace(/^\[(.*)\]$/, '$1')),
    tls: resourceTlsForm(tls),
    ...hostsForm(hosts),
    proxy: proxyForm(proxy),
  };
}

function resourceTlsForm(
  input: NonNullable<DestinationInput['resource']['tls']>,
): DestinationForm['resource']['tls'] {
  return {
    ...destinationDefaults.resource.tls,
    ...input,
    serverName: typeof input.serverName === 'string' ? toAsciiHost(input.serverName) : null,
  };
}

/** What is not used is left out, so that what is shown says it all. */
function hostsForm(hosts: DestinationHosts): { hosts?: DestinationHosts } {
  const form = new Map<string, [name: string, address: string]>();
  for (const [name, address] of Object.entries(hosts)) {
    const path = `/resource/hosts/${name}`;
    if (form.has(comparedName(name)))
      throw invalid([{ path, message: 'is the same name as another of them' }]);
    form.set(comparedName(name), [toAsciiHost(name), address]);
  }
  return form.size === 0 ? {} : { hosts: Object.fromEntries(form.values()) };
}

function proxyForm(
  input: NonNullable<DestinationInput['resource']['proxy']> | null,
): DestinationForm['resource']['proxy'] {
  if (input === null) return null;
  if (input.password !== undefined) throw notSupported('/resource/proxy/password', '(hidden)');
  const { type, host, port, username, passwordId } = input;
  return {
    type,
    host: toAsciiHost(host),
    port,
    ...(username === undefined ? {} : { username }),
    ...(passwordId === undefined ? {} : { passwordId }),
  };
}

function frontForm(input: NonNullable<DestinationInput['front']>, protocol: StreamProtocol): FrontForm {
  return {
    ...destinationDefaults.front,
    ...input,
    protocol,
    // The dot of the root stands in no certificate and in no server name (RFC 6066, section 3).
    host: typeof input.host === 'string' ? toAsciiHost(input.host).replace(/\.$/, '').toLowerCase() : null,
    port: input.port ?? null,
    tls: { ...destinationDefaults.front.tls, ...input.tls },
  };
}

function listenerForm({ tls }: NonNullable<DestinationInput['listener']>): DestinationListener {
  return { tls: { ...destinationDefaults.listener.tls, ...tls } };
}

/** A stored front with what an earlier version did not know. */
export function wholeFront(front: DestinationFront): DestinationFront {
  const { front: defaults } = destinationDefaults;
  return { ...defaults, ...front, tls: { ...defaults.tls, ...front.tls } };
}

/** A field that the kind of destination does not have, or lacks. */
function findMisplaced({ kind, front, clientPort, listener }: DestinationInput): BodyFault | null {
  if (kind !== 'cloud') {
    if (listener !== undefined) {
      return {
        path: '/listener',
        message: 'is for kind "cloud"; the caller of an on-premises one uses its front',
      };
    }
    return clientPort === undefined
      ? null
      : {
          path: '/clientPort',
          message: 'is for kind "cloud"; the caller of an on-premises one uses its front',
        };
  }
  if (front !== undefined) {
    return {
      path: '/front',
      message: 'is for kind "on-premises"; a cloud destination has clientPort in its place',
    };
  }
  return clientPort === undefined ? { path: '/clientPort', message: 'must be given for kind "cloud"' } : null;
}

/** The first field whose value this version does not serve. Later versions take lines away here. */
function findUnserved({ resource }: DestinationForm): [path: string, value: unknown] | null {
  if (resource.protocol !== 'udp') return null;
  if (resource.tls.mode !== 'none') return ['/resource/tls/mode', resource.tls.mode];
  return resource.proxy === null ? null : ['/resource/proxy', resource.proxy];
}
