/**
 * The service principals of the local server and their privileges.
 *
 * Secrets are stored as digests and compared in constant time. Without a list of grants, a
 * principal may do everything, which suits a developer's machine. With a list, it has only those
 * privileges.
 */
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"

/**
 * A privilege. Writing to a table needs all four; reading its definition needs all but `MODIFY`.
 *
 * @since 0.1.0
 * @category models
 */
export type Privilege = "USE CATALOG" | "USE SCHEMA" | "SELECT" | "MODIFY"

/**
 * Privileges on a catalog (`main`), a schema (`main.default`) or a table (`main.default.orders`),
 * and on everything inside it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  /** The name of the catalog, schema or table. */
  readonly on: string
  /** What is granted there. */
  readonly privileges: ReadonlyArray<Privilege>
}

/**
 * A service principal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Principal {
  /** The id that it requests tokens with. */
  readonly clientId: string
  /** The secret that it requests tokens with. */
  readonly clientSecret: Redacted.Redacted<string>
  /** The subjects (`sub`) of JWTs that act as this principal, in addition to its client id. */
  readonly subjects?: ReadonlyArray<string> | undefined
  /** Everything is granted when omitted. */
  readonly grants?: ReadonlyArray<Grant> | undefined
}

/** The principals of a server. */
export interface Principals {
  readonly authenticate: (clientId: string, clientSecret: string) => boolean
  /** The client id of the principal that a subject of JWTs acts as. */
  readonly ofSubject: (subject: string) => string | undefined
  readonly isKnown: (clientId: string) => boolean
  /** All principals, in the given order. */
  readonly all: ReadonlyArray<Principal>
  /** The privileges among `needed` that the principal lacks on a table. */
  readonly missing: (
    clientId: string,
    table: string,
    needed: ReadonlyArray<Privilege>
  ) => ReadonlyArray<Privilege>
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Creates the directory of principals. */
export const makePrincipals = (list: ReadonlyArray<Principal>): Principals => {
  const known = new Map(
    list.map(({ clientId, clientSecret, grants }) => [
      clientId,
      { digest: digest(Redacted.value(clientSecret)), grants }
    ])
  )
  const subjects = new Map(
    list.flatMap(({ clientId, subjects = [] }) =>
      [clientId, ...subjects].map((subject) => [subject, clientId])
    )
  )
  const nobody = digest("")
  return {
    all: list,
    authenticate: (clientId, clientSecret) => {
      const entry = known.get(clientId)
      // The comparison also runs for unknown ids, so that timing does not reveal which ids exist.
      return timingSafeEqual(entry?.digest ?? nobody, digest(clientSecret)) && entry !== undefined
    },
    ofSubject: (subject) => subjects.get(subject),
    isKnown: (clientId) => known.has(clientId),
    missing: (clientId, table, needed) => {
      const entry = known.get(clientId)
      if (entry === undefined) return needed
      if (entry.grants === undefined) return []
      const [catalog = "", schema = ""] = table.toLowerCase().split(".")
      return needed.filter((privilege) => {
        const scopes =
          privilege === "USE CATALOG"
            ? [catalog]
            : privilege === "USE SCHEMA"
              ? [catalog, `${catalog}.${schema}`]
              : [catalog, `${catalog}.${schema}`, table.toLowerCase()]
        return !entry.grants!.some(
          (grant) => scopes.includes(grant.on.toLowerCase()) && grant.privileges.includes(privilege)
        )
      })
    }
  }
}
