/** JWTs of identity providers, signed and unsigned. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A JWT without signature. */
export const unsignedJwt = (claims: object): string =>
  `${encoded({ alg: "none" })}.${encoded(claims)}.`

/** A JWT whose payload is padded with `=`, as some issuers write it. The signature is fake. */
export const paddedJwt = (claims: object): string => {
  const payload = Buffer.from(JSON.stringify(claims))
    .toString("base64")
    .replaceAll("+", "-")
    .replaceAll("/", "_")
  return `${encoded({ alg: "none" })}.${payload}.c2ln`
}

/** An identity provider with one key. */
export interface TestIssuer {
  readonly publicKey: KeyObject
  readonly pem: string
  readonly sign: (claims: object, header?: object) => string
}

const keyPairs = {
  EdDSA: () => generateKeyPairSync("ed25519"),
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "prime256v1" })
}

/** Creates an issuer whose tokens use this algorithm. */
export const testIssuer = (algorithm: keyof typeof keyPairs): TestIssuer => {
  const { privateKey, publicKey } = keyPairs[algorithm]()
  return {
    publicKey,
    pem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign: (claims, header = {}) => {
      const data = `${encoded({ alg: algorithm, typ: "JWT", ...header })}.${encoded(claims)}`
      const key =
        algorithm === "ES256"
          ? ({ key: privateKey, dsaEncoding: "ieee-p1363" } as const)
          : privateKey
      const signature = sign(algorithm === "EdDSA" ? null : "sha256", Buffer.from(data), key)
      return `${data}.${signature.toString("base64url")}`
    }
  }
}
