/** What is wrong with what a destination is to be: fields that contradict each other, and those that nothing would heed. */
import { isIP } from 'node:net';
import { comparedName, isHost } from '@postern/access';
import { readRevocationLists } from '@postern/tls/accept';
import type { DestinationForm, FrontForm } from './document.ts';
import type { BodyFault } from './errors.ts';
import { isFrontHost, noFrontHost } from './front-host.ts';
import { dnsLabel } from './naming.ts';

/** The first thing that is wrong with a whole form; null when it can be taken. */
export function findFault(form: DestinationForm): BodyFault | null {
  const { name, resource, health } = form;
  if (dnsLabel(name) === '') {
    return {
      path: '/name',
      message: 'must have a letter or digit (a-z, 0-9), since the default host is made of it',
    };
  }
  if (!isHost(resource.host)) return { path: '/resource/host', message: 'is no address and no host name' };
  return (
    findResourceProxyFault(resource.proxy) ??
    findResourceTlsFault(resource.tls, health) ??
    findHostsFault(resource) ??
    findHealthFault(form) ??
    findCompressFault(form) ??
    (form.kind === 'cloud' ? findListenerFault(form) : findFrontFault(form))
  );
}

function findResourceProxyFault(proxy: DestinationForm['resource']['proxy']): BodyFault | null {
  if (proxy === null) return null;
  const at = (field: string, message: string): BodyFault => ({ path: `/resource/proxy/${field}`, message });
  const { type, host, username, passwordId } = proxy;
  if (!isHost(host)) return at('host', 'is no address and no host name');
  // RFC 1929 gives it one byte of length, SOCKS 4 a zero byte at its end.
  if (username !== undefined && (Buffer.byteLength(username) > 255 || username.includes('\0')))
    return at('username', 'must be at most 255 bytes of UTF-8, without a zero byte');
  if (passwordId === undefined) return null;
  if (type !== 'socks5') return at('password', `is for type "socks5"; SOCKS 4 has a user ID alone`);
  return username === undefined ? at('username', 'must be given where there is a password') : null;
}

/** What a mode of TLS has no use for is refused, so that nobody believes that it is in force. */
function findResourceTlsFault(
  tls: DestinationForm['resource']['tls'],
  health: DestinationForm['health'],
): BodyFault | null {
  const at = (field: string, message: string): BodyFault => ({ path: `/resource/tls/${field}`, message });
  const { mode, serverName, caCertificateIds, clientCertificateId, rejectUnauthorized } = tls;
  if (serverName !== null && !isHost(serverName)) return at('serverName', 'is no address and no host name');
  if (mode === 'mutual' && clientCertificateId === null)
    return at('clientCertificateId', 'must be given where the mode is mutual');
  if (mode !== 'mutual' && clientCertificateId !== null)
    return at('clientCertificateId', `is for mode "mutual", not "${mode}"`);
  if (mode !== 'none') return null;
  const message = 'is for mode "tls" or "mutual", not "none"';
  if (caCertificateIds.length > 0) return at('caCertificateIds', message);
  if (!rejectUnauthorized) return at('rejectUnauthorized', message);
  // Where a front passes TLS through, the check by TLS has a name to ask for.
  return serverName === null || health.kind === 'tls' ? null : at('serverName', message);
}

/** An address for a name that nobody would ask for is a mistake. */
function findHostsFault({ host, hosts = {}, proxy }: DestinationForm['resource']): BodyFault | null {
  // A proxy resolves names itself, but for SOCKS 4.
  const resolved = proxy === null ? [host] : proxy.type === 'socks4' ? [host, proxy.host] : [proxy.host];
  const names = resolved.filter((name) => isIP(name) === 0).map(comparedName);
  for (const [name, address] of Object.entries(hosts)) {
    const at = (message: string): BodyFault => ({ path: `/resource/hosts/${name}`, message });
    if (!names.includes(comparedName(name)))
      return at(`is no name that is resolved for this destination: ${names.join(', ') || 'none is'}`);
    if (isIP(address) === 0) return at('must be an IP address');
  }
  return null;
}

/** Each sort of resource has checks of its own. */
function findHealthFault({ resource, health }: DestinationForm): BodyFault | null {
  if (!/^[!-~]*$/.test(health.path))
    return {
      path: '/health/path',
      message: 'is sent as it is: %20 for a space, and so on for what is not ASCII',
    };
  if (health.kind === 'none' || (health.kind === 'udp') === (resource.protocol === 'udp')) return null;
  const message =
    resource.protocol === 'udp' ? 'must be "udp" or "none" for UDP' : 'is for resource.protocol "udp"';
  return { path: '/health/kind', message };
}

/** What is secret already cannot be made smaller, and what has no order cannot be read again. */
function findCompressFault(form: DestinationForm): BodyFault | null {
  const { compress, protocol } = form.resource;
  const at = (message: string): BodyFault => ({ path: '/resource/compress', message });
  if (!compress) return null;
  if (protocol === 'udp') return at('must be false: datagrams are not compressed');
  if (form.kind === 'on-premises' && form.front.tls.mode === 'passthrough')
    return at('must be false where TLS is passed through: encrypted bytes do not get smaller');
  return null;
}

function findListenerFault({ resource, listener }: DestinationForm & { kind: 'cloud' }): BodyFault | null {
  const at = (field: string, message: string): BodyFault => ({ path: `/listener/tls/${field}`, message });
  const { mode, certificateId, clientCaIds } = listener.tls;
  if (mode !== 'none' && resource.protocol === 'udp') return at('mode', 'must be "none": UDP has no TLS');
  if (mode === 'none' && certificateId !== null)
    return at('certificateId', 'is for mode "server" or "mutual", not "none"');
  if (mode !== 'none' && certificateId === null)
    return at(
      'certificateId',
      `must be given for mode "${mode}": the platform's own is not given to clients`,
    );
  if (mode === 'mutual' && clientCaIds.length === 0)
    return at('clientCaIds', 'must have at least one CA for mode "mutual"');
  if (mode !== 'mutual' && clientCaIds.length > 0)
    return at('clientCaIds', `is for mode "mutual", not "${mode}"`);
  return null;
}

function findFrontFault({ resource, front }: DestinationForm & { kind: 'on-premises' }): BodyFault | null {
  const isByName = front.tls.mode !== 'none' || front.protocol === 'http';
  if (front.host !== null && !isFrontHost(front.host, isByName))
    return { path: '/front/host', message: noFrontHost };
  if (resource.protocol !== front.protocol) {
    return { path: '/resource/protocol', message: `must be that of the front, "${front.protocol}"` };
  }
  return findTlsFault(front) ?? findProxyFault(front);
}

/** What a mode of TLS has no use for is refused, so that nobody believes that it is in force. */
function findTlsFault({ protocol, tls }: FrontForm): BodyFault | null {
  const at = (field: string, message: string): BodyFault => ({ path: `/front/tls/${field}`, message });
  if (tls.mode !== 'none' && protocol === 'udp') return at('mode', 'must be "none": UDP has no TLS');
  if (tls.mode === 'passthrough' && protocol === 'http')
    return at('mode', '"passthrough" hands TLS on unread, and HTTP must be read: use protocol "tcp"');
  if (tls.passClientCertificate && protocol !== 'http')
    return at('passClientCertificate', 'is for protocol "http"; PROXY v2 has proxyProtocolFacts');
  if (tls.certificateId !== null && (tls.mode === 'none' || tls.mode === 'passthrough'))
    return at('certificateId', `is for mode "server" or "mutual", not "${tls.mode}"`);
  if (tls.mode === 'mutual') {
    if (tls.clientCaIds.length === 0) return at('clientCaIds', 'must have at least one CA for mode "mutual"');
    for (const [index, list] of tls.revocationLists.entries()) {
      const read = readRevocationLists(Buffer.from(list));
      if (read.kind === 'invalid') return at(`revocationLists/${index}`, read.fault);
    }
    const nowhere = tls.revocationListUrls.findIndex((url) => !isFetchable(url));
    if (nowhere < 0) return null;
    const fault = 'is no URL of a host, or has a user in it, with which none is fetched';
    return at(`revocationListUrls/${nowhere}`, fault);
  }
  const unused = (['clientCaIds', 'clientNames', 'revocationLists', 'revocationListUrls'] as const).find(
    (field) => tls[field].length > 0,
  );
  if (tls.passClientCertificate)
    return at('passClientCertificate', `is for mode "mutual", not "${tls.mode}"`);
  return unused === undefined ? null : at(unused, `is for mode "mutual", not "${tls.mode}"`);
}

function isFetchable(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.username === '' && url.password === '' && !/\s/.test(text);
}

function findProxyFault({ protocol, proxyProtocol, proxyProtocolFacts }: FrontForm): BodyFault | null {
  if (proxyProtocol !== 'off' && protocol !== 'tcp')
    return { path: '/front/proxyProtocol', message: 'is for protocol "tcp"; HTTP has Forwarded' };
  if (proxyProtocolFacts && proxyProtocol !== 'v2')
    return { path: '/front/proxyProtocolFacts', message: 'is for proxyProtocol "v2"' };
  return null;
}
