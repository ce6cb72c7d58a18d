/**
 * The OAuth token endpoint, for client credentials and the exchange of an identity provider's token
 * (RFC 8693). Reads the form that the service requires, and reports which field is missing or
 * wrong.
 *
 * Pure except for the token's signature: takes the header and the body, and returns a status and a
 * JSON value.
 */
import { tableNameProblem } from "../../internal/columns/columnNames.ts"
import type { Principals } from "./principals.ts"
import type { SubjectTokens } from "./subjectTokens.ts"
import type { TokenMint } from "./tokens.ts"

/** A response of the endpoint. */
export interface TokenAnswer {
  readonly status: number
  /**
   * The client of the request, if it named one. For a refused request, this is the unverified name.
   */
  readonly clientId?: string | undefined
  /** The table that the token is bound to. */
  readonly tableName?: string | undefined
  readonly body: unknown
}

/** Options of the endpoint. */
export interface TokenEndpoint {
  readonly mint: TokenMint
  readonly principals: Principals
  readonly subjects: SubjectTokens
  readonly tokenLifeMillis: number
}

const refuse = (status: number, error: string, description: string): TokenAnswer => ({
  status,
  body: { error, error_description: description }
})

const invalid = (description: string): TokenAnswer => refuse(400, "invalid_request", description)

const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
const jwtType = "urn:ietf:params:oauth:token-type:jwt"

const resourcePattern = /^api:\/\/databricks\/workspaces\/[^/]+\/zerobusDirectWriteApi$/

/**
 * Answers one request, and returns its client. `authorization` is the header, `form` the decoded
 * body, `now` in milliseconds.
 */
export const answerTokenRequest = (
  endpoint: TokenEndpoint,
  authorization: string | undefined,
  form: URLSearchParams,
  now: number
): TokenAnswer => {
  const asker = authenticate(endpoint, authorization, form, now)
  const answer = asker.refused ?? answerScope(endpoint, asker.clientId, form, now, asker.expiresAt)
  return { ...answer, clientId: asker.clientId }
}

/**
 * The authenticated client, or why it is refused. The `clientId` of a refused client is unverified.
 */
type Asker =
  | { readonly clientId: string; readonly expiresAt: number; readonly refused?: undefined }
  | { readonly clientId: string | undefined; readonly refused: TokenAnswer }

const authenticate = (
  endpoint: TokenEndpoint,
  authorization: string | undefined,
  form: URLSearchParams,
  now: number
): Asker => {
  switch (form.get("grant_type")) {
    case "client_credentials":
      return withSecret(endpoint, readBasic(authorization))
    case tokenExchange:
      return withSubject(endpoint, form, now)
    case null: {
      const message =
        `The form field grant_type is missing; it must be client_credentials or ` +
        `${tokenExchange}.`
      return { clientId: readBasic(authorization)?.id, refused: invalid(message) }
    }
    default: {
      const message = `The form field grant_type must be client_credentials or ${tokenExchange}.`
      return {
        clientId: readBasic(authorization)?.id,
        refused: refuse(400, "unsupported_grant_type", message)
      }
    }
  }
}

const withSecret = ({ principals }: TokenEndpoint, client: ReturnType<typeof readBasic>): Asker => {
  const refused = (message: string): Asker => ({
    clientId: client?.id,
    refused: refuse(401, "invalid_client", message)
  })
  if (client === undefined)
    return refused("Send the client id and secret as HTTP Basic in the header authorization.")
  return principals.authenticate(client.id, client.secret)
    ? { clientId: client.id, expiresAt: Infinity }
    : refused("Client authentication failed: unknown client id or wrong secret.")
}

/**
 * The principal of a subject token. Workload identity federation also sends its client id, and both
 * must match.
 */
const withSubject = (
  { principals, subjects }: TokenEndpoint,
  form: URLSearchParams,
  now: number
): Asker => {
  const named = form.get("client_id") ?? undefined
  const refused = (answer: TokenAnswer): Asker => ({ clientId: named, refused: answer })
  const token = form.get("subject_token")
  if (token === null)
    return refused(invalid("The form field subject_token is missing; it must be a JWT."))
  const type = form.get("subject_token_type")
  if (type !== jwtType) {
    const what = type === null ? "is missing; it must be" : "must be"
    return refused(invalid(`The form field subject_token_type ${what} ${jwtType}.`))
  }
  if (named !== undefined && !principals.isKnown(named)) {
    return refused(
      refuse(401, "invalid_client", "There is no service principal with the client_id of the form.")
    )
  }
  const read = subjects(token, now)
  if ("error" in read) return refused(refuse(400, read.error, `The subject_token ${read.problem}.`))
  const clientId = principals.ofSubject(read.subject)
  if (clientId === undefined || (named !== undefined && named !== clientId)) {
    const problem =
      clientId === undefined
        ? "acts as no service principal"
        : "acts as another principal than the client_id"
    const advice = "Use zerobus local --subject NAME=SUBJECT to set the principal of a subject."
    const message = `The subject (sub) of the subject_token ${problem}. ${advice}`
    return refused(refuse(400, "invalid_grant", message))
  }
  return { clientId, expiresAt: read.expiresAt ?? Infinity }
}

const answerScope = (
  endpoint: TokenEndpoint,
  clientId: string,
  form: URLSearchParams,
  now: number,
  until: number
): TokenAnswer => {
  const granted = (table: string | undefined) => grant(endpoint, clientId, table, now, until)
  const scope = form.get("scope")
  if (scope === null) return invalid("The form field scope is missing; it must be all-apis.")
  if (!scope.split(" ").includes("all-apis")) {
    return refuse(400, "invalid_scope", "The form field scope must contain all-apis.")
  }
  const resource = form.get("resource")
  const details = form.get("authorization_details")
  if (resource === null && details === null) return granted(undefined)
  if (details === null)
    return invalid("The form field authorization_details is missing although resource is given.")
  const table = readDetails(details, resource !== null)
  if ("problem" in table) return invalid(`The form field authorization_details ${table.problem}`)
  // Without a resource, the token is for the catalog: the official code generator reads schemas
  // with it.
  if (resource === null) return granted(undefined)
  if (!resourcePattern.test(resource)) {
    return invalid(
      "The form field resource must read api://databricks/workspaces/<workspace " +
        "id>/zerobusDirectWriteApi."
    )
  }
  return granted(table.name)
}

/** Issues a token, which expires no later than the token it was exchanged for. */
const grant = (
  endpoint: TokenEndpoint,
  clientId: string,
  table: string | undefined,
  now: number,
  until: number
): TokenAnswer => {
  const expiresAt = Math.min(now + endpoint.tokenLifeMillis, until)
  return {
    status: 200,
    tableName: table,
    body: {
      access_token: endpoint.mint.mint({ clientId, table: table?.toLowerCase(), expiresAt }),
      token_type: "Bearer",
      expires_in: Math.floor((expiresAt - now) / 1000),
      scope: "all-apis"
    }
  }
}

const readBasic = (
  header: string | undefined
): { readonly id: string; readonly secret: string } | undefined => {
  const encoded = /^Basic ([A-Za-z0-9+/=_-]+)$/i.exec(header ?? "")?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, "base64").toString()
  const colon = text.indexOf(":")
  return colon < 1 ? undefined : { id: text.slice(0, colon), secret: text.slice(colon + 1) }
}

/**
 * Reads the three objects of `authorization_details`: the catalog, schema and table of one table
 * name, each with its privileges.
 */
const readDetails = (
  json: string,
  writing: boolean
): { readonly name: string } | { readonly problem: string } => {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch {
    return { problem: "is not JSON." }
  }
  if (!Array.isArray(parsed)) return { problem: "must be a JSON array of three objects." }
  const entries = parsed as ReadonlyArray<Record<string, unknown> | null>
  const find = (objectType: string) =>
    entries.find((entry) => entry?.["object_type"] === objectType)
  const table = find("TABLE")
  if (table === undefined) return { problem: "has no object of object_type TABLE." }
  const name = table?.["object_full_path"]
  if (typeof name !== "string") return { problem: "has a TABLE without object_full_path." }
  const nameProblem = tableNameProblem(name)
  if (nameProblem !== undefined) return { problem: `names no table: ${nameProblem}` }
  const [catalog = "", schema = ""] = name.split(".")
  const wanted = [
    ["CATALOG", catalog, ["USE CATALOG"]],
    ["SCHEMA", `${catalog}.${schema}`, ["USE SCHEMA"]],
    ["TABLE", name, writing ? ["SELECT", "MODIFY"] : ["SELECT"]]
  ] as const
  for (const [objectType, path, privileges] of wanted) {
    const entry = find(objectType)
    if (entry === undefined || entry === null)
      return { problem: `has no object of object_type ${objectType}.` }
    if (entry["type"] !== "unity_catalog_privileges") {
      return { problem: `needs type unity_catalog_privileges in its ${objectType} object.` }
    }
    if (entry["object_full_path"] !== path) {
      return { problem: `needs object_full_path ${path} in its ${objectType} object.` }
    }
    const given = entry["privileges"]
    for (const privilege of privileges) {
      if (!Array.isArray(given) || !given.includes(privilege)) {
        return { problem: `needs the privilege ${privilege} in its ${objectType} object.` }
      }
    }
    // Restricts the token to Zerobus writes; older clients omit it.
    const operations = entry["operations"]
    if (
      operations !== undefined &&
      !(Array.isArray(operations) && operations.includes("zerobuswrite"))
    ) {
      return { problem: "has operations other than zerobuswrite in its TABLE object." }
    }
  }
  return { name }
}
