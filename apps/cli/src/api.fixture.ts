/** A server that answers in place of the admin API, as a test wants it. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

// For localhost, of its own CA; good until 2126.
const keyPem = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwfELfCVFfBh7XfU4
q950cu87AxURF8s6vHtWvBaMZfmhRANCAAQRDVBe9/74oCzWKBIySNH/HztHycRJ
iLTRQRrfMLgFhKYr3xaWou0ofP0vmbWNSYAq97w1sh53Y+vVxf8pR83u
-----END PRIVATE KEY-----
`;
/** Its certificate, and the CA of it. */
export const certificatePem = `-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUQubymJggb51i6X5DWuLI4WFR1ZswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzEyMjczM1oYDzIxMjYxMTAz
MTIyNzMzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQRDVBe9/74oCzWKBIySNH/HztHycRJiLTRQRrfMLgFhKYr3xaWou0o
fP0vmbWNSYAq97w1sh53Y+vVxf8pR83uo2kwZzAdBgNVHQ4EFgQUZPwfa3kORG6S
wcosT6BCQIYV/l4wHwYDVR0jBBgwFoAUZPwfa3kORG6SwcosT6BCQIYV/l4wDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
RwAwRAIgfAGv9byE5EGtDJCtl0sW80EDp8zWOE70JC6AzD9LLHcCIFt63TBIeCv2
uQsU3fu9KsiqbMLg2JLj9oS49YRKZXOw
-----END CERTIFICATE-----
`;

/** The server until the end of the test, and how many handshakes it has seen. */
export async function answerAll(
  t: TestContext,
  answer: RequestListener,
): Promise<{ url: URL; handshakes: () => number }> {
  let handshakes = 0;
  const server = createServer({ key: keyPem, cert: certificatePem }, answer);
  server.on('secureConnection', () => (handshakes += 1)).listen(0, '127.0.0.1');
  t.after(() => server.close().closeAllConnections());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`https://localhost:${port}`), handshakes: () => handshakes };
}
