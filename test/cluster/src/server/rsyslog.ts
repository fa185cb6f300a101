/**
 * Real rsyslogs: one that collects on UDP and on TCP (octet counted) of one port, on TLS of another, and writes each
 * message into one file; and the one of a cloud that passes on by TLS what it is given.
 */
import { join } from 'node:path';
import { tool } from '@postern/scripts/install';
import { freePort } from '@postern/test-kit';
import type { Endpoint } from '../site/site.ts';
import { type ProcessResource, startResource } from './resource.ts';

/** rsyslog and the file that it writes. */
export interface Collector extends ProcessResource {
  readonly file: string;
  /** Where it takes TLS; 0 without a pair. */
  readonly tlsPort: number;
}

/** A certificate with its key, both PEM. */
export interface CollectorPair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Resolves when it takes connections; it speaks TLS too where it has a pair. */
export async function startRsyslog(pair?: CollectorPair): Promise<Collector> {
  const tlsPort = pair === undefined ? 0 : await freePort();
  const resource = await startResource('rsyslog', async ({ folder, port, file }) => {
    let tls = '';
    if (pair !== undefined) {
      const [certFile, keyFile] = [await file('cert.pem', pair.certPem), await file('key.pem', pair.keyPem)];
      tls = collectByTls(tlsPort, certFile, keyFile);
    }
    return {
      command: tool('rsyslogd'),
      args: ['-n', '-f', await file('rsyslog.conf', collect(folder, port) + tls), '-i', 'NONE'],
      ready: { host: '127.0.0.1', port: tlsPort === 0 ? port : tlsPort },
    };
  });
  return { ...resource, tlsPort, file: join(resource.folder, 'collected') };
}

/** Where a log router sends to, and whom it believes. */
export interface LogRouterOptions {
  readonly to: Endpoint;
  /** The name that the certificate must have, signed by the CA in that file. */
  readonly name: string;
  readonly caFile: string;
}

/** Takes RFC 5424 on its port (TCP, octet counted), keeps a queue, and sends it on by TLS, octet counted. */
export function startLogRouter(options: LogRouterOptions): Promise<ProcessResource> {
  return startResource('log-router', async ({ folder, port, file }) => ({
    command: tool('rsyslogd'),
    args: ['-n', '-f', await file('rsyslog.conf', passOn(folder, port, options)), '-i', 'NONE'],
    ready: { host: '127.0.0.1', port },
  }));
}

function collect(folder: string, port: number): string {
  return `
global(workDirectory="${folder}" maxMessageSize="64k")
module(load="imudp")
module(load="imptcp")
template(name="line" type="string" string="%app-name% %msgid% %msg%\\n")
ruleset(name="collect") {
  action(type="omfile" file="${join(folder, 'collected')}" template="line" flushOnTXEnd="on")
}
input(type="imudp" address="127.0.0.1" port="${port}" ruleset="collect" rcvbufSize="4m")
input(type="imptcp" address="127.0.0.1" port="${port}" ruleset="collect" supportOctetCountedFraming="on")
`;
}

function collectByTls(port: number, certFile: string, keyFile: string): string {
  return `
global(defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="${certFile}"
  defaultNetstreamDriverCertFile="${certFile}" defaultNetstreamDriverKeyFile="${keyFile}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="collect")
`;
}

function passOn(folder: string, port: number, { to, name, caFile }: LogRouterOptions): string {
  return `
global(workDirectory="${folder}" maxMessageSize="64k"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="${caFile}")
module(load="imptcp")
ruleset(name="pass on") {
  action(type="omfwd" target="${to.host}" port="${to.port}" protocol="tcp" tcp_framing="octet-counted"
    template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1" action.resumeInterval="1"
    queue.type="linkedList" streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="x509/name"
    streamDriverPermittedPeers="${name}")
}
input(type="imptcp" address="127.0.0.1" port="${port}" ruleset="pass on" supportOctetCountedFraming="on")
`;
}
