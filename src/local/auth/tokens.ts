/**
 * Access tokens of the local server, signed with the server's own key, so that other servers do not
 * accept them.
 *
 * A token is either bound to one table, for Zerobus, or valid for the catalog (`scope=all-apis`
 * without privileges). Neither is accepted in place of the other, as with the service.
 */
import * as Redacted from "effect/Redacted"
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"

/** The claims of a token. */
export interface TokenClaims {
  readonly clientId: string
  /** The table it is bound to, in lower case; undefined for a catalog token. */
  readonly table: string | undefined
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** Why a token is refused. */
export type TokenProblem = "Foreign" | "Expired"

/** Issues and checks tokens. */
export interface TokenMint {
  readonly mint: (claims: TokenClaims) => string
  readonly read: (token: string, now: number) => TokenClaims | TokenProblem
}

const maxTokenLength = 4096

/** Creates a mint that signs with a key. */
export const makeTokenMint = (key: Redacted.Redacted<Uint8Array>): TokenMint => {
  const sign = (body: string) =>
    createHmac("sha256", Redacted.value(key)).update(body).digest("base64url")
  return {
    mint: ({ clientId, expiresAt, table }) => {
      const claims = {
        sub: clientId,
        exp: expiresAt,
        jti: randomBytes(8).toString("hex"),
        ...(table === undefined ? {} : { table })
      }
      const body = Buffer.from(JSON.stringify(claims)).toString("base64url")
      return `${body}.${sign(body)}`
    },
    read: (token, now) => {
      const [body, signature, rest] = token.length > maxTokenLength ? [] : token.split(".")
      if (body === undefined || signature === undefined || rest !== undefined) return "Foreign"
      const expected = Buffer.from(sign(body))
      const given = Buffer.from(signature)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return "Foreign"
      const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as {
        sub: string
        exp: number
        table?: string
      }
      if (claims.exp <= now) return "Expired"
      return { clientId: claims.sub, table: claims.table, expiresAt: claims.exp }
    }
  }
}
