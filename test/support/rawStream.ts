/**
 * A manual Zerobus call over grpc-js, for tests of how the server handles requests that no correct
 * client sends.
 */
import * as Grpc from "@grpc/grpc-js"
import { Deferred, Effect, Queue, Redacted, type Scope } from "effect"
import type { ZerobusLocalShape } from "effect-zerobus/testing"
import { databricks } from "../generated/zerobus_service.js"

const { EphemeralStreamRequest, EphemeralStreamResponse } = databricks.zerobus
type Request = Parameters<typeof EphemeralStreamRequest.encode>[0]

/** How a call ended. */
export interface RawEnd {
  readonly code: number
  readonly message: string
  readonly details: Uint8Array | undefined
}

/** A running call, whose responses are read as `A`. */
export interface RawCall<A> {
  readonly sendBytes: (bytes: Uint8Array) => Effect.Effect<void>
  readonly halfClose: Effect.Effect<void>
  readonly next: Effect.Effect<A>
  readonly end: Effect.Effect<RawEnd>
  /** Whether headers arrived; a trailers-only response has none. */
  readonly hadHeaders: Effect.Effect<boolean>
}

/** A running stream. */
export interface RawStream extends RawCall<InstanceType<typeof EphemeralStreamResponse>> {
  readonly send: (request: Request) => Effect.Effect<void>
}

const buffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** Starts a stream with these headers; the scope ends it. */
export const openRaw = (
  serverEndpoint: string,
  headers: Readonly<Record<string, string>>,
  rpc = "EphemeralStream"
): Effect.Effect<RawStream, never, Scope.Scope> =>
  Effect.map(
    openCall(serverEndpoint, headers, `/databricks.zerobus.Zerobus/${rpc}`, (bytes) =>
      EphemeralStreamResponse.decode(bytes)
    ),
    (call): RawStream => ({
      ...call,
      send: (request) =>
        Effect.suspend(() => call.sendBytes(EphemeralStreamRequest.encode(request).finish()))
    })
  )

/** Starts a call of an RPC with these headers; the scope ends it. */
export const openCall = Effect.fnUntraced(function* <A>(
  serverEndpoint: string,
  headers: Readonly<Record<string, string>>,
  path: string,
  decode: (bytes: Uint8Array) => A
): Effect.fn.Return<RawCall<A>, never, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () => new Grpc.Client(new URL(serverEndpoint).host, Grpc.credentials.createInsecure())
    ),
    (client) => Effect.sync(() => client.close())
  )
  const metadata = new Grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const responses = yield* Queue.unbounded<A>()
  const end = yield* Deferred.make<RawEnd>()
  const call = client.makeBidiStreamRequest(path, buffer, decode, metadata)
  call.on("data", (response) => Queue.offerUnsafe(responses, response))
  call.on("error", () => {})
  let headersCame = false
  call.on("metadata", () => {
    headersCame = true
  })
  call.on("status", (status) => {
    const details = status.metadata.get("grpc-status-details-bin")[0]
    Deferred.doneUnsafe(
      end,
      Effect.succeed({
        code: status.code,
        message: status.details,
        details: typeof details === "string" ? undefined : details
      })
    )
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => call.cancel()))
  return {
    sendBytes: (bytes) => Effect.sync(() => void call.write(buffer(bytes))),
    halfClose: Effect.sync(() => call.end()),
    next: Queue.take(responses),
    end: Deferred.await(end),
    hadHeaders: Effect.sync(() => headersCame)
  }
})

/** The form of a token request for a table, as sent by the official SDKs. */
export const tokenForm = (tableName: string): Record<string, string> => {
  const [catalog, schema] = tableName.split(".")
  const entry = (
    object_type: string,
    object_full_path: string,
    privileges: ReadonlyArray<string>
  ) => ({
    type: "unity_catalog_privileges",
    privileges,
    object_type,
    object_full_path
  })
  return {
    grant_type: "client_credentials",
    scope: "all-apis",
    resource: "api://databricks/workspaces/127/zerobusDirectWriteApi",
    authorization_details: JSON.stringify([
      entry("CATALOG", catalog!, ["USE CATALOG"]),
      entry("SCHEMA", `${catalog}.${schema}`, ["USE SCHEMA"]),
      { ...entry("TABLE", tableName, ["SELECT", "MODIFY"]), operations: ["zerobuswrite"] }
    ])
  }
}

/** Posts a form to the token endpoint, by default with the server's own credentials. */
export const postToken = (
  local: ZerobusLocalShape,
  form: Readonly<Record<string, string>>,
  credentials = `${local.clientId}:${Redacted.value(local.clientSecret)}`
) =>
  Effect.promise(async () => {
    const response = await fetch(`${local.workspaceUrl}/oidc/v1/token`, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` },
      body: new URLSearchParams(form)
    })
    return { status: response.status, body: (await response.json()) as Record<string, any> }
  })

/** The headers of a call to a table, with a fresh token. */
export const headersFor = (local: ZerobusLocalShape, tableName: string) =>
  Effect.map(postToken(local, tokenForm(tableName)), ({ body }) => ({
    "authorization": `Bearer ${body["access_token"]}`,
    "x-databricks-zerobus-table-name": tableName
  }))

/** Opens a stream to a table and reads the answer to its create request. */
export const openCreated = Effect.fnUntraced(function* (
  local: ZerobusLocalShape,
  tableName: string,
  create: { readonly recordType?: number; readonly descriptorProto?: Uint8Array } = {
    recordType: 2
  }
) {
  const stream = yield* openRaw(local.serverEndpoint, yield* headersFor(local, tableName))
  yield* stream.send({ createStream: { tableName, ...create } })
  const answer = yield* stream.next
  return { stream, streamId: answer.createStreamResponse?.streamId }
})
