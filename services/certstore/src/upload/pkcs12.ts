/**
 * PKCS #12 (P12, PFX). Read with node-forge, because it is what still opens the files that old tools write: 3DES and
 * RC2 under SHA-1, which OpenSSL 3 puts behind its legacy provider. Keys and certificates of every kind are taken out
 * as DER and read by Node.
 */
import { type KeyObject, X509Certificate, createPrivateKey } from 'node:crypto';
import forge from 'node-forge';
import { UploadFault } from './upload-fault.ts';

const { asn1, pkcs12, pki, util } = forge;

/** What a P12 file holds. Throws `CERTSTORE_PASSPHRASE_…` or `CERTSTORE_P12_INVALID`. */
export function readPkcs12(
  file: Buffer,
  passphrase: string | undefined,
): { certificates: X509Certificate[]; keys: KeyObject[] } {
  const parsed = parse(file);
  const contents = open(parsed, passphrase);
  const bags = contents.safeContents.flatMap(({ safeBags }) => safeBags);
  const oids: Record<string, string | undefined> = pki.oids;
  const ofType = (...names: string[]) => bags.filter(({ type }) => names.some((name) => oids[name] === type));
  return {
    certificates: ofType('certBag').map((bag) => readCertificate(bag)),
    keys: ofType('keyBag', 'pkcs8ShroudedKeyBag').map((bag) => readKey(bag)),
  };
}

function parse(file: Buffer): forge.asn1.Asn1 {
  try {
    return asn1.fromDer(util.createBuffer(file.toString('binary')));
  } catch (cause) {
    throw new UploadFault(
      'CERTSTORE_FILE_UNKNOWN',
      'the file begins like DER and is no certificate, no private key and no PKCS #12: it was cut or changed',
      { cause },
    );
  }
}

function open(parsed: forge.asn1.Asn1, passphrase: string | undefined): forge.pkcs12.Pkcs12Pfx {
  try {
    return openWith(parsed, passphrase ?? '');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : '';
    if (!/MAC could not be verified|Invalid password|decrypt/i.test(reason)) {
      throw new UploadFault(
        'CERTSTORE_P12_INVALID',
        'the file is DER, but no certificate, no private key and no PKCS #12 that can be read',
        { cause },
      );
    }
    if (passphrase === undefined) {
      throw new UploadFault(
        'CERTSTORE_PASSPHRASE_MISSING',
        'the PKCS #12 file is encrypted: give its passphrase',
      );
    }
    throw new UploadFault('CERTSTORE_PASSPHRASE_WRONG', 'the passphrase does not open the PKCS #12 file', {
      cause,
    });
  }
}

/**
 * forge takes the passphrase as UTF-16, as PKCS #12 has it, and for the ciphers that came later (PBES2) its characters as
 * bytes. For those OpenSSL and others take UTF-8: they are tried without the MAC, which has proved the passphrase.
 */
function openWith(parsed: forge.asn1.Asn1, passphrase: string): forge.pkcs12.Pkcs12Pfx {
  try {
    return pkcs12.pkcs12FromAsn1(parsed, false, passphrase);
  } catch (error) {
    const bytes = util.encodeUtf8(passphrase);
    const isOpened = error instanceof Error && !error.message.includes('MAC');
    if (!isOpened || bytes === passphrase || typeof parsed.value === 'string') throw error;
    return pkcs12.pkcs12FromAsn1({ ...parsed, value: parsed.value.slice(0, 2) }, false, bytes);
  }
}

/** forge reads RSA itself, and hands everything else on as ASN.1. */
function readCertificate(bag: forge.pkcs12.Bag): X509Certificate {
  const node = bag.cert === undefined || bag.cert === null ? bag.asn1 : pki.certificateToAsn1(bag.cert);
  try {
    return new X509Certificate(der(node));
  } catch (cause) {
    throw new UploadFault(
      'CERTSTORE_P12_INVALID',
      'the PKCS #12 file holds a certificate that cannot be read',
      {
        cause,
      },
    );
  }
}

function readKey(bag: forge.pkcs12.Bag): KeyObject {
  const node =
    bag.key === undefined || bag.key === null
      ? bag.asn1
      : pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(bag.key));
  try {
    return createPrivateKey({ key: der(node), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new UploadFault(
      'CERTSTORE_P12_INVALID',
      'the PKCS #12 file holds a private key that cannot be read',
      {
        cause,
      },
    );
  }
}

function der(node: forge.asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'binary');
}
