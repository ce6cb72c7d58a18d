/** Final failures, and the table that classifies them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted, Schedule } from "effect"
import {
  Credentials,
  HeadersProvider,
  PermissionDenied,
  Retryable,
  RetryableReason
} from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { code } from "../support/scriptedServer.ts"
import { minted, tokenServer } from "../support/tokenServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

const field = (number: number, content: Uint8Array | string): Uint8Array => {
  const bytes = typeof content === "string" ? Buffer.from(content) : content
  return Buffer.concat([Uint8Array.of((number << 3) | 2, bytes.length), bytes])
}
const entry = (key: string, value: string) =>
  field(3, Buffer.concat([field(1, key), field(2, value)]))
/**
 * A `google.rpc.Status` with the service's structured schema error, each part shorter than 128
 * bytes.
 */
const schemaError = Buffer.concat([
  Uint8Array.of(0x08, 3),
  // The lengths take two bytes here, so it is built by hand.
  (() => {
    const info = Buffer.concat([
      field(1, "SCHEMA_VALIDATION_FAILED"),
      entry("causes", "FIELD_NOT_IN_TABLE,SOMETHING_NEW"),
      entry("error_code", "8001")
    ])
    const long = (number: number, bytes: Uint8Array) =>
      Buffer.concat([
        Uint8Array.of((number << 3) | 2, (bytes.length & 0x7f) | 0x80, bytes.length >> 7),
        bytes
      ])
    const any = Buffer.concat([
      field(1, "type.googleapis.com/google.rpc.ErrorInfo"),
      info.length > 127 ? long(2, info) : field(2, info)
    ])
    return any.length > 127 ? long(3, any) : field(3, any)
  })()
])

describe("final failures", () => {
  // INTERNAL is temporary here, as in the official SDKs, so recovery is off.
  it.effect(
    "NR-01 CB-02 keeps what was acknowledged, fails the next, and refuses the one after",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open({ ...single, recovery: false }, A.silent)
        const [first, second] = yield* Effect.forEach(A.recordsFrom(0, 2), stream.ingestRecord)
        yield* A.settle
        server.last.ack(0)
        server.last.fail(code.INTERNAL, "disk on fire")
        yield* A.settle
        assert.strictEqual(yield* first!.await, 0)
        assert.include(
          A.tagged(yield* Effect.flip(second!.await), "Retryable").message,
          "INTERNAL: disk on fire"
        )
        const closed = A.tagged(
          yield* Effect.flip(stream.ingestRecord(A.record(2))),
          "StreamClosed"
        )
        assert.include(closed.message, "disk on fire")
      })
  )

  it.effect("NR-02 H-44 fails everything pending with the refusal", () =>
    Effect.gen(function* () {
      const fixed = HeadersProvider.make({
        getHeaders: Effect.succeed({ authorization: "Bearer fixed" })
      })
      const { server, stream } = yield* A.open({ ...single, headersProvider: fixed }, A.silent)
      const acks = yield* Effect.forEach(A.recordsFrom(0, 5), stream.ingestRecord)
      yield* A.settle
      server.last.fail(code.PERMISSION_DENIED, "MODIFY is missing")
      yield* A.settle
      for (const ack of acks) {
        const error = A.tagged(yield* Effect.flip(ack.await), "PermissionDenied")
        assert.include(error.message, "MODIFY is missing")
        assert.isFalse(error.isRetryable)
      }
      assert.strictEqual(server.connections.length, 1)
    })
  )

  // The official SDKs differ on FAILED_PRECONDITION; it is final here.
  it.effect("NR-03 retries temporary statuses on an open stream and none of the final ones", () =>
    Effect.gen(function* () {
      const final = [
        ["NOT_FOUND", "InvalidTable"],
        ["FAILED_PRECONDITION", "InvalidArgument"],
        ["UNIMPLEMENTED", "Unsupported"]
      ] as const
      for (const [status, tag] of final) {
        const { server, stream } = yield* A.open(single, A.silent, {})
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.fail(code[status])
        yield* A.advance(20)
        assert.strictEqual((yield* Effect.flip(ack.await))._tag, tag)
        assert.strictEqual(server.connections.length, 1)
      }
      for (const status of [
        "UNAVAILABLE",
        "RESOURCE_EXHAUSTED",
        "CANCELLED",
        "INTERNAL",
        "UNKNOWN",
        "DEADLINE_EXCEEDED"
      ] as const) {
        const { server, stream } = yield* A.open(single, A.silent, {})
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.fail(code[status])
        yield* A.advance(20)
        yield* stream.flush
        assert.strictEqual(server.connections.length, 2)
      }
    })
  )

  it.effect(
    "NR-03 believes a refusal once a fresh connection repeats it, and fails with its offset",
    () =>
      Effect.gen(function* () {
        for (const status of ["INVALID_ARGUMENT", "OUT_OF_RANGE"] as const) {
          const { server, stream } = yield* A.open(
            { batching: "off", recoveryRetries: 0 },
            A.silent,
            A.silent
          )
          const ack = yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          server.last.fail(code[status], "too hot")
          yield* A.settle
          assert.isTrue(Option.isNone(yield* ack.poll))
          assert.strictEqual(server.connections.length, 2)
          server.last.fail(code[status], "too hot")
          yield* A.settle
          const refused = A.tagged(yield* Effect.flip(ack.await), "InvalidArgument")
          assert.strictEqual(refused.offset, 0)
          assert.include(refused.message, "too hot")
          assert.strictEqual(server.connections.length, 2)
          assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
        }
      })
  )

  it.effect(
    "NR-04 does not turn the caller's own interruption or limit into an error of the stream",
    () =>
      Effect.gen(function* () {
        const { server, stream } = yield* A.open(single, A.silent)
        const ack = yield* stream.ingestRecord(A.record(0))
        const waiting = yield* A.started(ack.await)
        yield* waiting.interrupt
        const limited = yield* A.started(Effect.timeout(ack.await, 10))
        yield* A.advance(10)
        assert.strictEqual(limited.error()._tag, "TimeoutError")
        server.last.ack(0)
        yield* ack.await
        assert.strictEqual(server.connections.length, 1)
      })
  )

  it.effect("NR-05 takes a provider's own classification over any other", () =>
    Effect.gen(function* () {
      const failing = (error: unknown) => HeadersProvider.make({ getHeaders: Effect.fail(error) })
      const denied = new PermissionDenied({ message: "The tenant is suspended." })
      const { zerobus } = yield* A.client()
      assert.strictEqual(
        yield* Effect.flip(zerobus.createStream(A.table, { headersProvider: failing(denied) })),
        denied
      )
      const busy = new Retryable({
        reason: RetryableReason.TokenServiceUnavailable({ message: "The vault is sealed." }),
        attempts: 1
      })
      const options = {
        headersProvider: failing(busy),
        recoverySchedule: Schedule.spaced(1).pipe(Schedule.upTo({ times: 2 }))
      }
      const creating = yield* A.started(zerobus.createStream(A.table, options))
      yield* A.advance(10)
      assert.strictEqual(A.tagged(creating.error(), "Retryable").attempts, 3)
    })
  )

  it.effect(
    "NR-06 NR-07 NR-08 gives the structured schema error, at creation and on a reconnect, over " +
      "one attempt",
    () =>
      Effect.gen(function* () {
        const refusing = {
          onCreate: (c: { fail: (code: number, message: string, details: Uint8Array) => void }) =>
            c.fail(code.INVALID_ARGUMENT, "bad schema", schemaError)
        }
        const { server, zerobus } = yield* A.client(refusing)
        const error = A.tagged(
          yield* Effect.flip(zerobus.createStream(A.protoTable)),
          "SchemaMismatch"
        )
        assert.deepStrictEqual(error.causes, ["FIELD_NOT_IN_TABLE", "SOMETHING_NEW"])
        assert.strictEqual(error.errorCode, "8001")
        assert.strictEqual(server.connections.length, 1)

        const again = yield* A.open(single, A.silent, refusing)
        const ack = yield* again.stream.ingestRecord(A.record(0))
        yield* A.settle
        again.server.last.cut()
        yield* A.advance(20)
        A.tagged(yield* Effect.flip(ack.await), "SchemaMismatch")
        assert.strictEqual(again.server.connections.length, 2)
      })
  )

  it.effect(
    "NR-09 NR-10 keeps cause, server text and retryability through the error that a late call gets",
    () =>
      Effect.gen(function* () {
        for (const [status, retryable] of [
          ["NOT_FOUND", false],
          ["UNAVAILABLE", true]
        ] as const) {
          const { server, stream } = yield* A.open({ ...single, recovery: false }, A.silent)
          server.last.fail(code[status], "a text of the server's own")
          yield* A.settle
          const error = A.tagged(
            yield* Effect.flip(stream.ingestRecord(A.record(0))),
            "StreamClosed"
          )
          assert.strictEqual(error.isRetryable, retryable)
          assert.include(error.cause?.message, "a text of the server's own")
          assert.instanceOf(error, Error)
        }
      })
  )

  it.live("H-48 takes a refusal by the token endpoint as final, over one request", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer({ status: 401, body: "no" }, minted("t0"))
      const credentials = yield* Layer.build(
        Credentials.layer({
          serverEndpoint: "https://1.example",
          workspaceUrl: tokens.url,
          clientId: "client",
          clientSecret: Redacted.make("secret"),
          proxy: false
        })
      )
      const { server, zerobus } = yield* A.client()
      const headersProvider = Context.get(credentials, HeadersProvider)
      const creating = zerobus.createStream(A.table, {
        headersProvider,
        recoverySchedule: Schedule.spaced(1)
      })
      A.tagged(yield* Effect.flip(creating), "InvalidToken")
      assert.deepStrictEqual([tokens.requests.length, server.connections.length], [1, 0])
    })
  )
})
