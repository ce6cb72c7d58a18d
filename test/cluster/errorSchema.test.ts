/**
 * Errors between runners: each class, with all its fields, through both encodings that a cluster
 * uses.
 */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Errors from "effect-zerobus"
import { zerobusError } from "../../src/cluster/errorSchema.ts"

const message = "What happened, and what to do."
const retryable = new Errors.Retryable({
  reason: Errors.RetryableReason.ServerUnavailable({ message, status: "UNAVAILABLE" }),
  attempts: 5,
  unacknowledged: 3
})

const errors: ReadonlyArray<Errors.ZerobusError> = [
  retryable,
  new Errors.Retryable({
    reason: Errors.RetryableReason.TokenServiceUnavailable({ message, retryAfterMillis: 1000 }),
    attempts: 1
  }),
  ...(
    [
      "ConnectionLost",
      "ConnectTimeout",
      "AckTimeout",
      "CatalogUnavailable",
      "SpoolUnavailable"
    ] as const
  ).map(
    (tag) => new Errors.Retryable({ reason: Errors.RetryableReason[tag]({ message }), attempts: 1 })
  ),
  new Errors.InvalidToken({ message }),
  new Errors.PermissionDenied({ message, unacknowledged: 1 }),
  new Errors.InvalidTable({ message, tableName: "a.b.c", isMissing: true }),
  new Errors.InvalidTable({ message, tableName: "a.b.c" }),
  new Errors.InvalidEndpoint({ message }),
  new Errors.TlsFailure({ message, code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
  new Errors.InvalidArgument({ message, path: ["place", 3, "lat"], offset: 7 }),
  new Errors.SchemaMismatch({
    message,
    causes: ["FIELD_NOT_IN_TABLE", "another"],
    errorCode: "8001"
  }),
  new Errors.PayloadTooLarge({ size: 20, limit: 10, option: "maxBatchRecords" }),
  new Errors.Unsupported({ message }),
  new Errors.FlushTimeout({
    operation: "ingestRecord",
    timeoutMillis: 10,
    pending: 4,
    lastFailure: retryable
  }),
  new Errors.StreamClosed({
    operation: "ingestRecord",
    cause: new Errors.StreamClosed({ operation: "close" })
  }),
  new Errors.StreamClosed({ operation: "ingestRecord", cause: retryable }),
  new Errors.InvalidState({ message }),
  new Errors.ProtocolViolation({ message })
]

/** The parts of an error that a program can see. */
const seen = (error: Errors.ZerobusError): unknown => ({
  ...JSON.parse(JSON.stringify(error)),
  constructor: error.constructor,
  message: error.message,
  isRetryable: error.isRetryable
})

describe("errors between runners", () => {
  const json = Schema.toCodecJson(zerobusError)
  it.each(errors.map((error) => [error._tag, error] as const))("keep %s", (_, error) => {
    const text = JSON.stringify(Schema.encodeSync(json)(error))
    const read = Schema.decodeSync(json)(JSON.parse(text))
    assert.deepStrictEqual(seen(read), seen(error))
  })

  it("are all members of the union", () => {
    const tags = new Set(errors.map(({ _tag }) => _tag))
    const classes = Object.entries(Errors).filter(
      ([, value]) => typeof value === "function" && value.prototype instanceof Error
    )
    const missing = classes.map(([name]) => name).filter((name) => !tags.has(name as never))
    assert.deepStrictEqual(missing, [])
    assert.strictEqual(classes.length, tags.size)
  })
})
