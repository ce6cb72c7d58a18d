/**
 * Reads and checks JWTs of trusted identity providers, and returns their subject.
 */
import { readTrustedKeys, type TrustedKey } from "./trustedKeys.ts"

/**
 * An identity provider whose JWTs are exchanged for tokens of the server.
 *
 * @since 0.2.0
 * @category models
 */
export interface TrustedIssuer {
  /** The `iss` of its tokens. */
  readonly issuer: string
  /** Its public keys: PEM, or a JWKS document. Ed25519, RSA from 2048 bits and P-256. */
  readonly keys: string
  /** The audience that `aud` of its tokens must contain; any audience by default. */
  readonly audience?: string | undefined
}

/** The subject of a token, or why it is refused. */
export type ReadSubject =
  | { readonly subject: string; readonly expiresAt: number | undefined }
  | { readonly error: "invalid_request" | "invalid_grant"; readonly problem: string }

/** Reads subject tokens; `now` in milliseconds. */
export type SubjectTokens = (token: string, now: number) => ReadSubject

interface Issuer extends Omit<TrustedIssuer, "keys"> {
  readonly keys: ReadonlyArray<TrustedKey>
}

interface Claims {
  readonly iss?: unknown
  readonly sub?: unknown
  readonly aud?: unknown
  readonly exp?: unknown
  readonly nbf?: unknown
}

const longestToken = 16 * 1024
/** The tolerated clock difference between issuer and server for `nbf`, in milliseconds. */
const clockSkew = 60_000

/** The problem of trusted issuers, as the end of a sentence. */
export const issuersProblem = (issuers: ReadonlyArray<TrustedIssuer>): string | undefined => {
  for (const { issuer, keys } of issuers) {
    if (issuer.trim() === "") return "has an issuer without a name"
    const read = readTrustedKeys(keys)
    if (typeof read === "string")
      return `has keys of ${issuer} that cannot be used: the given text ${read}`
  }
  return undefined
}

/**
 * Accepts tokens of these issuers, which must have passed `issuersProblem`. With `unsigned`, also
 * accepts tokens without a signature.
 */
export const makeSubjectTokens = (
  issuers: ReadonlyArray<TrustedIssuer>,
  unsigned: boolean
): SubjectTokens => {
  const trusted: ReadonlyArray<Issuer> = issuers.map(({ keys, ...issuer }) => {
    const read = readTrustedKeys(keys)
    return { ...issuer, keys: typeof read === "string" ? [] : read }
  })
  return (token, now) => {
    const [head = "", body = "", signature = "", more] =
      token.length > longestToken ? [] : token.split(".")
    const header = jsonOf(head) as { readonly alg?: unknown; readonly kid?: unknown } | undefined
    const claims: Claims | undefined = jsonOf(body)
    if (header === undefined || claims === undefined || more !== undefined) {
      return { error: "invalid_request", problem: "is not a JWT" }
    }
    const refused = (problem: string): ReadSubject => ({ error: "invalid_grant", problem })
    const problem =
      header.alg === "none"
        ? unsignedProblem(signature, unsigned)
        : signatureProblem(
            trusted,
            header,
            claims,
            Buffer.from(`${head}.${body}`),
            Buffer.from(signature, "base64url")
          )
    if (problem !== undefined) return refused(problem)
    const { exp, nbf, sub } = claims
    if (typeof sub !== "string" || sub === "") return refused("has no subject (sub)")
    if (exp !== undefined && typeof exp !== "number")
      return refused("has an exp that is not a number")
    // An unsigned token, made by hand for a test, may have no expiry.
    if (exp === undefined && header.alg !== "none") return refused("has no expiry (exp)")
    if (exp !== undefined && exp * 1000 <= now) return refused("has expired")
    if (typeof nbf === "number" && nbf * 1000 > now + clockSkew)
      return refused("is not valid yet (nbf)")
    return { subject: sub, expiresAt: exp === undefined ? undefined : exp * 1000 }
  }
}

const unsignedProblem = (signature: string, unsigned: boolean): string | undefined => {
  if (!unsigned) {
    return (
      "has no signature. Only a server in memory, on loopback and without trusted issuers, " +
      "accepts such tokens"
    )
  }
  return signature === "" ? undefined : "has a signature, although its alg is none"
}

const signatureProblem = (
  trusted: ReadonlyArray<Issuer>,
  { alg, kid }: { readonly alg?: unknown; readonly kid?: unknown },
  { aud, iss }: Claims,
  data: Buffer,
  signature: Buffer
): string | undefined => {
  const ofName = trusted.filter(({ issuer }) => issuer === iss)
  if (ofName.length === 0)
    return "comes from an issuer (iss) that is not trusted: name it with --trust-issuer"
  const signed = ofName.filter(({ keys }) =>
    keys.some(
      (key) =>
        key.algorithm === alg &&
        (kid === undefined || key.id === undefined || key.id === kid) &&
        key.verify(data, signature)
    )
  )
  if (signed.length === 0) return "has a signature that matches no key of its issuer"
  const audiences: ReadonlyArray<unknown> = Array.isArray(aud) ? aud : [aud]
  return signed.some(({ audience }) => audience === undefined || audiences.includes(audience))
    ? undefined
    : "is for another audience (aud)"
}

const jsonOf = (part: string): object | undefined => {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"))
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? parsed
      : undefined
  } catch {
    return undefined
  }
}
