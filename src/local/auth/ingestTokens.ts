/**
 * Decides who may write to a table, for the gRPC and the HTTP endpoint, which convert the problem
 * to their own form.
 */
import type { Principals, Privilege } from "./principals.ts"
import type { TokenMint } from "./tokens.ts"

/** The token mint and the principals. */
export interface Authority {
  readonly mint: TokenMint
  readonly principals: Principals
}

/** Why a request is refused: because of its token, or of missing privileges. */
export interface IngestRefusal {
  readonly _tag: "Unauthenticated" | "PermissionDenied"
  readonly message: string
}

/** The privileges that writing to a table needs. */
const writing: ReadonlyArray<Privilege> = ["USE CATALOG", "USE SCHEMA", "SELECT", "MODIFY"]

const unauthenticated = (message: string): IngestRefusal => ({ _tag: "Unauthenticated", message })

/**
 * Checks the header `authorization` of a request to write to a table; undefined when it is allowed.
 */
export const refuseIngest = (
  { mint, principals }: Authority,
  authorization: string | undefined,
  tableName: string,
  now: number
): IngestRefusal | undefined => {
  const bearer = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1]
  if (bearer === undefined)
    return unauthenticated("The header authorization is missing or is not a bearer token")
  const claims = mint.read(bearer, now)
  if (claims === "Expired") return unauthenticated("The token has expired, fetch a new one")
  if (claims === "Foreign") return unauthenticated("The token was not issued by this server")
  if (claims.table === undefined) {
    return unauthenticated(
      "The token is for the catalog; request one with the table in authorization_details"
    )
  }
  if (claims.table !== tableName.toLowerCase()) {
    return unauthenticated(`The token is bound to another table than ${tableName}`)
  }
  const missing = principals.missing(claims.clientId, tableName, writing)
  if (missing.length === 0) return undefined
  return {
    _tag: "PermissionDenied",
    message: `The principal lacks ${missing.join(", ")} for ${tableName}`
  }
}
