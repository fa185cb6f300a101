/** A resource of the user: how it is called, and with what one would try it. */
import { isIPv6 } from 'node:net';

/** Where it is, as the client will dial it. */
export interface Exposed {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, IPv6 in brackets. */
export function addressOf({ host, port }: Exposed): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The name of its destination. */
export function nameOf({ host, port }: Exposed): string {
  return `${host}-${port}`;
}

/** A command that speaks the protocol which is usual on that port, through the front. */
export function commandFor(resource: Exposed, front: Exposed): string {
  const { host, port } = front;
  switch (resource.port) {
    case 22:
      return `ssh -p ${port} ${host}`;
    case 80:
    case 3000:
    case 8000:
    case 8080:
      return `curl http://${host}:${port}/`;
    case 443:
    case 8443:
      return `curl --insecure https://${host}:${port}/`;
    case 3306:
      return `mysql --host ${host} --port ${port}`;
    case 5432:
      return `psql -h ${host} -p ${port}`;
    case 6379:
      return `redis-cli -h ${host} -p ${port} ping`;
    case 27_017:
      return `mongosh mongodb://${host}:${port}/?directConnection=true`;
    default:
      return `nc ${host} ${port}`;
  }
}
