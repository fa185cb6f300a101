/** The subject of a certificate as operators write it: a common name, or `CN=…, O=…, OU=…, C=…`. */
import type { SubjectAttribute } from '@postern/tls';
import { certstoreError } from '../errors.ts';

const types = ['CN', 'O', 'OU', 'C', 'L', 'ST'] as const;
const valueCharactersMax = 64;

/** Reads it. Throws `CERTSTORE_INVALID`. */
export function readSubject(text: string): { commonName: string; attributes: SubjectAttribute[] } {
  const attributes = /^[A-Za-z]{1,2}\s*=/.test(text.trim())
    ? partsOf(text)
    : [checked({ type: 'CN', value: text.trim() })];
  const commonName = attributes.find(({ type }) => type === 'CN')?.value;
  if (commonName === undefined) throw invalid('must have a common name: CN=…');
  return { commonName, attributes };
}

function partsOf(text: string): SubjectAttribute[] {
  return text.split(/\s*,\s*(?=[A-Za-z]{1,2}\s*=)/).map((part) => {
    const [, name = '', value = ''] = /^\s*([A-Za-z]{1,2})\s*=\s*(.*?)\s*$/s.exec(part) ?? [];
    const type = types.find((one) => one === name.toUpperCase());
    if (type === undefined)
      throw invalid(`takes ${types.join(', ')}, not ${JSON.stringify(name || part.slice(0, 32))}`);
    return checked({ type, value });
  });
}

function checked(attribute: SubjectAttribute): SubjectAttribute {
  const { type, value } = attribute;
  const isRight =
    type === 'C' ? /^[A-Za-z]{2}$/.test(value) : value !== '' && value.length <= valueCharactersMax;
  if (!isRight || /\p{Cc}/u.test(value)) {
    throw invalid(
      type === 'C' ? 'C is a country of two letters' : `${type} has 1 to ${valueCharactersMax} characters`,
    );
  }
  return attribute;
}

function invalid(message: string): Error {
  return certstoreError('CERTSTORE_INVALID', `/subject ${message}`, {
    errors: [{ path: '/subject', message }],
  });
}
