/** The platform's address, as `--connect` gives it. */

/** Where IBM Secure Gateway's servers were; old scripts name them. */
const shutDown =
  /(^|\.)(securegateway\.(cloud\.ibm\.com|appdomain\.cloud)|integration\.ibmcloud\.com|bluemix\.net)$/;

/** `https://HOST[:PORT]`, or without the scheme; throws a TypeError that says what is right, and repeats no credentials. */
export function readConnectUrl(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (
    url === null ||
    url.protocol !== 'https:' ||
    url.username !== '' ||
    !/^\/?$/.test(url.pathname) ||
    url.search !== ''
  ) {
    throw new TypeError('the platform is https://HOST[:PORT], without path and credentials');
  }
  if (shutDown.test(url.hostname))
    throw new TypeError(
      `${url.hostname} was IBM Secure Gateway's, which was shut down in October 2024: give your own platform by --connect (-g)`,
    );
  return url;
}
