/**
 * What a setting that names a host must look like. It is in certificates and URLs, so that one which is no name is a
 * mistake to be told at the start: what asks for a certificate with it would go on asking for ever.
 */
const label = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const name = `${label}(\\.${label})*`;
const ipv6 = '[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*';

/** Annotations of a text: a DNS name or an IP address, without scheme and port. */
export const hostForm = {
  pattern: `^(${name}|${ipv6})$`,
  form: 'a DNS name or an IP address (no scheme, no port)',
};

/** The same, or nothing. */
export const hostFormOrEmpty = { ...hostForm, pattern: `^(${name}|${ipv6})?$` };

/** The same, where `*.` may stand for the first label. */
export const certificateNameForm = { ...hostForm, pattern: `^((\\*\\.)?${name}|${ipv6})$` };
