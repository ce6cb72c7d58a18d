/**
 * Reads the public keys of an identity provider from PEM or a JWKS document, and verifies
 * signatures.
 *
 * A key accepts only the algorithm of its type, regardless of the token's header: EdDSA for
 * Ed25519, RS256 for RSA, ES256 for P-256.
 */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto"

/** One key. */
export interface TrustedKey {
  /** The key id in tokens; a key from a PEM file has none. */
  readonly id: string | undefined
  readonly algorithm: string
  readonly verify: (data: Buffer, signature: Buffer) => boolean
}

/** RSA keys below this size are too weak for RS256 (RFC 7518). */
const leastRsaBits = 2048

const trustedKey = (key: KeyObject, id: string | undefined): TrustedKey | undefined => {
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return {
        id,
        algorithm: "EdDSA",
        verify: (data, signature) => verify(null, data, key, signature)
      }
    case "rsa":
      return (key.asymmetricKeyDetails?.modulusLength ?? 0) < leastRsaBits
        ? undefined
        : {
            id,
            algorithm: "RS256",
            verify: (data, signature) => verify("sha256", data, key, signature)
          }
    case "ec": {
      const signed = { key, dsaEncoding: "ieee-p1363" } as const
      return key.asymmetricKeyDetails?.namedCurve === "prime256v1"
        ? {
            id,
            algorithm: "ES256",
            verify: (data, signature) => verify("sha256", data, signed, signature)
          }
        : undefined
    }
    default:
      return undefined
  }
}

const useful = `Ed25519, RSA from ${leastRsaBits} bits, or P-256`

/** Reads public keys. Returns a text, the end of a sentence, when there are none. */
export const readTrustedKeys = (text: string): ReadonlyArray<TrustedKey> | string => {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    return "has a private key; give the public one"
  const blocks = text.match(
    /-----BEGIN (PUBLIC KEY|CERTIFICATE|RSA PUBLIC KEY)-----[^]*?-----END \1-----/g
  )
  try {
    const keys =
      blocks === null
        ? jwksKeys(text)
        : blocks.map((block) => trustedKey(createPublicKey(block), undefined))
    const known = keys.filter((key) => key !== undefined)
    return known.length === 0 ? `has no key that can be used: ${useful}` : known
  } catch {
    // The parser's message could quote the file.
    return "is neither PEM nor a JWKS document with public keys"
  }
}

/** The signature keys of a JWKS document, which may also list other keys. */
const jwksKeys = (text: string): ReadonlyArray<TrustedKey | undefined> => {
  const parsed = JSON.parse(text) as { readonly keys?: unknown }
  const listed = Array.isArray(parsed.keys)
    ? (parsed.keys as ReadonlyArray<JsonWebKey>)
    : [parsed as JsonWebKey]
  return listed
    .filter(
      ({ kty, use }) =>
        (kty === "OKP" || kty === "RSA" || kty === "EC") && (use === undefined || use === "sig")
    )
    .map((jwk) =>
      trustedKey(
        createPublicKey({ key: jwk, format: "jwk" }),
        typeof jwk["kid"] === "string" ? jwk["kid"] : undefined
      )
    )
}
