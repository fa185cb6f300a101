/** A real rsyslog that collects on UDP and on TCP (octet counted) of one port, and writes each message into one file. */
import { join } from 'node:path';
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** rsyslog and the file that it writes. */
export interface Collector extends ProcessResource {
  readonly file: string;
}

/** Resolves when it takes connections. */
export async function startRsyslog(): Promise<Collector> {
  const resource = await startResource('rsyslog', async ({ folder, port, file }) => ({
    command: tool('rsyslogd'),
    args: ['-n', '-f', await file('rsyslog.conf', configuration(folder, port)), '-i', 'NONE'],
    ready: { host: '127.0.0.1', port },
  }));
  return { ...resource, file: join(resource.folder, 'collected') };
}

function configuration(folder: string, port: number): string {
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
