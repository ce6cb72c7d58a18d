/**
 * `zerobus local --principal`: additional service principals with their grants, and the secrets of
 * all principals.
 *
 * A secret is never passed on the command line, which every process of the machine can read. It
 * comes from the environment, or is derived from a key in the data folder.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Grant, Privilege } from "../../testing/localOptions.ts"
import { type CommandFailed, failed } from "../terminal/CommandFailed.ts"

/** A principal from the command line. Without `grants` it may do everything. */
export interface NamedPrincipal {
  readonly clientId: string
  readonly grants: ReadonlyArray<Grant> | undefined
}

const form =
  "NAME for one that may do everything, NAME: NONE, or NAME: USE CATALOG ON main; USE SCHEMA ON " +
  "main.default; " +
  "SELECT, MODIFY ON main.default.orders"

/** The most name parts of an object on which each privilege can be granted. */
const mostParts: Readonly<Record<Privilege, number>> = {
  "USE CATALOG": 1,
  "USE SCHEMA": 2,
  "SELECT": 3,
  "MODIFY": 3
}
const privileges = Object.keys(mostParts) as ReadonlyArray<Privilege>

const grantOf = (text: string): Grant | string => {
  const [, list, on] =
    /^(.+?)\s+ON\s+(?:(?:CATALOG|SCHEMA|TABLE)\s+)?([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+){0,2})$/is.exec(
      text
    ) ?? []
  if (list === undefined || on === undefined) return `${JSON.stringify(text)} is not a grant.`
  const parts = on.split(".").length
  const granted: Array<Privilege> = []
  for (const word of list
    .split(",")
    .map((each) => each.trim().replace(/\s+/g, " ").toUpperCase())) {
    if (word === "ALL PRIVILEGES") {
      granted.push(...privileges.filter((each) => parts <= mostParts[each]))
      continue
    }
    const privilege = privileges.find((each) => each === word)
    if (privilege === undefined) {
      return (
        `${JSON.stringify(word)} is not a privilege. The privileges are ` +
        `${privileges.join(", ")} and ` +
        `ALL PRIVILEGES.`
      )
    }
    if (parts > mostParts[privilege]) {
      const level = mostParts[privilege] === 1 ? "a catalog" : "a catalog or a schema"
      return `${privilege} is granted on ${level}, which ${on} is not.`
    }
    granted.push(privilege)
  }
  return { on, privileges: granted }
}

/** Reads one principal. */
export const principalOf = (text: string): Effect.Effect<NamedPrincipal, CommandFailed> => {
  const refuse = (why: string) =>
    Effect.fail(failed(`The --principal ${JSON.stringify(text.slice(0, 100))}: ${why}`))
  const colon = text.indexOf(":")
  const clientId = (colon < 0 ? text : text.slice(0, colon)).trim()
  if (/^[A-Za-z0-9._-]+=/.test(clientId)) {
    // The text after `=` may be a secret and is not repeated.
    const name = clientId.slice(0, clientId.indexOf("="))
    return Effect.fail(
      failed(
        `The --principal ${JSON.stringify(name)} takes no secret, which every process could ` +
          `read. Set ` +
          `${secretVariable(name)}, or leave it to the server, which prints one.`
      )
    )
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(clientId)) {
    return refuse(`its name has letters, digits, dots, hyphens and underscores. It reads ${form}.`)
  }
  if (clientId === "local-client")
    return refuse("local-client is the principal that every server has.")
  if (colon < 0) return Effect.succeed({ clientId, grants: undefined })
  const rest = text.slice(colon + 1).trim()
  if (rest.toUpperCase() === "NONE") return Effect.succeed({ clientId, grants: [] })
  const grants: Array<Grant> = []
  for (const part of rest.split(";").map((each) => each.trim())) {
    if (part === "") continue
    const grant = grantOf(part)
    if (typeof grant === "string") return refuse(`${grant} It reads ${form}.`)
    grants.push(grant)
  }
  return grants.length === 0
    ? refuse(`it names no grant. It reads ${form}.`)
    : Effect.succeed({ clientId, grants })
}

/** Reads all principals. Their secret variables must differ. */
export const principalsOf = (
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<NamedPrincipal>, CommandFailed> =>
  Effect.flatMap(Effect.forEach(texts, principalOf), (all) => {
    const variables = all.map(({ clientId }) => secretVariable(clientId))
    const twice = all.find(
      ({ clientId }, index) => variables.indexOf(secretVariable(clientId)) !== index
    )
    return twice === undefined
      ? Effect.succeed(all)
      : Effect.fail(
          failed(
            `Two principals have the variable ${secretVariable(twice.clientId)} for their ` +
              `secret. Rename one.`
          )
        )
  })

/** The environment variable with the secret of a principal. */
export const secretVariable = (clientId: string): string =>
  `ZEROBUS_LOCAL_SECRET_${clientId.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`

/** The secret of a principal in the environment, if any. */
export const secretFromEnvironment = (
  clientId: string
): Effect.Effect<Redacted.Redacted<string> | undefined> =>
  Config.Redacted(secretVariable(clientId)).pipe(
    Effect.option,
    // An empty variable counts as not set.
    Effect.map((found) =>
      Option.getOrUndefined(Option.filter(found, (secret) => Redacted.value(secret) !== ""))
    )
  )

/** A phrase that describes the grants of a principal. */
export const grantsText = (grants: ReadonlyArray<Grant> | undefined): string => {
  if (grants === undefined) return "may do everything"
  return grants.length === 0
    ? "may do nothing"
    : `has ${grants.map(({ on, privileges }) => `${privileges.join(", ")} on ${on}`).join("; ")}`
}

/** Text quoted as one shell word. */
export const shellText = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
