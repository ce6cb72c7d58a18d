/**
 * One request for a token: the form, the response, and the error for a refusal.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { InvalidToken, Retryable, RetryableReason, type StreamFailure } from "../../ZerobusError.ts"
import type { Route } from "./connector.ts"
import type { Grant } from "./grants.ts"
import type { Minted } from "./tokenCache.ts"
import { type WorkspaceFailure, workspaceRequest } from "./workspace.ts"

/** The most bytes of a token response. */
const TOKEN_LIMIT = 64 * 1024

/** The scope of a token for the catalog's REST API: not restricted. */
export const catalogScope: Readonly<Record<string, string>> = { scope: "all-apis" }

/** The scope of a token for writing to one table. */
export const tableScope = (
  workspace: string,
  tableName: string
): Readonly<Record<string, string>> => {
  const [catalog = "", schema = ""] = tableName.split(".")
  const grant = (
    object_type: string,
    object_full_path: string,
    privileges: ReadonlyArray<string>,
    operations?: ReadonlyArray<string>
  ) => ({
    type: "unity_catalog_privileges",
    privileges,
    object_type,
    object_full_path,
    ...(operations === undefined ? {} : { operations })
  })
  return {
    ...catalogScope,
    resource: `api://databricks/workspaces/${workspace}/zerobusDirectWriteApi`,
    authorization_details: JSON.stringify([
      grant("CATALOG", catalog, ["USE CATALOG"]),
      grant("SCHEMA", `${catalog}.${schema}`, ["USE SCHEMA"]),
      grant("TABLE", tableName, ["SELECT", "MODIFY"], ["zerobuswrite"])
    ])
  }
}

const unavailable = (message: string, retryAfterMillis?: number) =>
  new Retryable({
    reason: RetryableReason.TokenServiceUnavailable({ message, retryAfterMillis }),
    attempts: 1
  })

const failureOf = (
  { kind, message, retryAfterMillis, status }: WorkspaceFailure,
  { advice }: Grant
): StreamFailure => {
  switch (kind) {
    case "Unavailable":
    case "TooLarge":
      return unavailable(message, retryAfterMillis)
    case "Misdirected":
      return new InvalidToken({ message: `${message} Check the workspace URL.` })
    case "Refused":
      return new InvalidToken({
        message:
          status < 300
            ? `${message} Only status 200 carries a token. Check the workspace URL.`
            : `${message} ${advice}`
      })
  }
}

/** Requests a token of a scope. Fails with `Retryable` after 30 seconds without a response. */
export const requestToken = Effect.fn("Zerobus.requestToken")(function* (
  route: Route,
  by: Effect.Effect<Grant, StreamFailure>,
  scope: Readonly<Record<string, string>>,
  tableName?: string
): Effect.fn.Return<Minted, StreamFailure> {
  if (tableName !== undefined) yield* Effect.annotateCurrentSpan("table", tableName)
  const grant = yield* by
  const body = yield* workspaceRequest(
    { name: "The token endpoint", route },
    {
      method: "POST",
      path: "/oidc/v1/token",
      headers: {
        ...grant.headers,
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json"
      },
      body: new URLSearchParams({ ...grant.form, ...scope }).toString(),
      limit: TOKEN_LIMIT,
      secrets: grant.secrets
    }
  ).pipe(Effect.catchTag("WorkspaceFailure", (failure) => Effect.fail(failureOf(failure, grant))))
  const { lifeMillis, token } = yield* Effect.fromResult(parseToken(body, route.endpoint.origin))
  // The subject token expires earlier than the token it was exchanged for.
  const bounded =
    lifeMillis === undefined ? undefined : Math.min(lifeMillis, grant.lifeMillis ?? lifeMillis)
  return { token, lifeMillis: bounded }
})

const parseToken = (
  body: string,
  origin: string
): Result.Result<Minted, InvalidToken | Retryable> => {
  const bad = (what: string) =>
    Result.fail(
      new InvalidToken({ message: `The token endpoint's answer ${what}. Check the workspace URL.` })
    )
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // An incomplete object was cut off on its way, which happens without an announced length.
    // Anything else comes from another site.
    const cut = /^\s*(?:\{.*)?$/s.test(body)
    return cut
      ? Result.fail(unavailable(`The answer of the token endpoint at ${origin} was cut off.`))
      : bad("is not JSON")
  }
  if (
    typeof json !== "object" ||
    json === null ||
    !("access_token" in json) ||
    typeof json.access_token !== "string"
  ) {
    return bad("has no access_token")
  }
  const token = json.access_token
  if (!/^[\x21-\x7e]{1,16384}$/.test(token))
    return bad("has a token that is not a legal header value")
  const stated = "expires_in" in json ? json.expires_in : undefined
  const seconds = typeof stated === "string" && /^\s*\d+\s*$/.test(stated) ? Number(stated) : stated
  const known = typeof seconds === "number" && Number.isInteger(seconds) && seconds > 0
  return Result.succeed({
    token: Redacted.make(token),
    lifeMillis: known ? seconds * 1000 : undefined
  })
}
