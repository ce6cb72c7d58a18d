/**
 * Headers and refused credentials of a stream. The token cache is tested in
 * `tokenCache[HA].test.ts`, the OAuth client over real HTTP in `oauth[HA].test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Schedule } from "effect"
import {
  type HeaderRecord,
  HeadersProvider,
  type HeadersProviderShape,
  InvalidToken,
  TableProperties
} from "effect-zerobus"
import * as A from "../support/acceptance.ts"
import { code, type Script } from "../support/scriptedServer.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const
const rejecting = A.refusing(code.UNAUTHENTICATED, "token refused")

/** The headers that a server receives from a stream with this provider. */
const seen = (headers: HeaderRecord) =>
  Effect.gen(function* () {
    const { server } = yield* A.open({
      headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed(headers) })
    })
    return server.last.headers
  })

const refused = (headers: HeaderRecord) =>
  Effect.gen(function* () {
    const { server, zerobus } = yield* A.client()
    const headersProvider = HeadersProvider.make({ getHeaders: Effect.succeed(headers) })
    const error = yield* Effect.flip(zerobus.createStream(A.table, { headersProvider }))
    assert.strictEqual(server.connections.length, 0)
    return error
  })

const creating = (options: Parameters<typeof A.open>[0], ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const { provider, server, zerobus } = yield* A.client(...scripts)
    const running = yield* A.started(zerobus.createStream(A.table, { ...single, ...options }))
    yield* A.advance(100)
    return { provider, server, running }
  })

describe("headers", () => {
  it.effect("HA-01 HA-02 carry the credentials once and always the stream's own table", () =>
    Effect.gen(function* () {
      const headers = yield* seen({
        "Authorization": "Bearer t",
        "x-databricks-zerobus-table-name": "other.schema.table",
        "X-Tenant": "seven"
      })
      assert.deepStrictEqual(headers, {
        "authorization": "Bearer t",
        "x-databricks-zerobus-table-name": A.table.tableName,
        "x-tenant": "seven"
      })
    })
  )

  // There is no ambient metadata here; only two spellings of one name can collide.
  it.effect("HA-03 have exactly one value for two spellings of a name", () =>
    Effect.gen(function* () {
      const headers = yield* seen({
        Authorization: "Bearer stale",
        authorization: "Bearer fresh",
        other: "kept"
      })
      assert.strictEqual(headers["authorization"], "Bearer fresh")
      assert.strictEqual(headers["other"], "kept")
      assert.strictEqual(Object.keys(headers).length, 3)
    })
  )

  it.effect("HA-05 HA-06 HA-09 keep a scheme, prefix a bare token with Bearer, and trim", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [given: string, sent: string]> = [
        ["Bearer x", "Bearer x"],
        ["basic x", "basic x"],
        ["DPoP x", "DPoP x"],
        ["abc.def", "Bearer abc.def"],
        ["  abc  ", "Bearer abc"],
        ["  Bearer x ", "Bearer x"]
      ]
      for (const [given, sent] of cases)
        assert.strictEqual((yield* seen({ authorization: given }))["authorization"], sent)
    })
  )

  it.effect(
    "HA-07 are refused locally with control characters or anything beyond ASCII in them, and " +
      "never quoted",
    () =>
      Effect.gen(function* () {
        for (const bad of ["\n", "\r", "\0", "\u007f", "\u010d", "\u2028"]) {
          const token = A.tagged(
            yield* refused({ authorization: `Bearer secret${bad}value` }),
            "InvalidToken"
          )
          assert.notInclude(token.message, "secret")
          const other = A.tagged(
            yield* refused({ "x-note": `secret${bad}value` }),
            "InvalidArgument"
          )
          assert.notInclude(other.message, "secret")
          A.tagged(yield* refused({ [`x-no${bad}te`]: "value" }), "InvalidArgument")
        }
        A.tagged(yield* refused({ authorization: "x".repeat(16 * 1024 + 1) }), "InvalidToken")
      })
  )

  it.effect("HA-08 leave out an empty token", () =>
    Effect.gen(function* () {
      for (const empty of [{}, { authorization: "" }, { authorization: "   " }]) {
        assert.notProperty(yield* seen(empty), "authorization")
      }
    })
  )

  it.effect(
    "HA-10 S-19 are tried again within the budget when their provider fails or throws, and keep " +
      "its text",
    () =>
      Effect.gen(function* () {
        const token = "dapi0123456789abcdef0123456789abcdef"
        const thrown = new TypeError(`no client for Bearer s3cr3t and ${token}`, {
          cause: new Error("ECONNRESET")
        })
        const text =
          "TypeError: no client for Bearer <redacted> and <redacted>, caused by Error: ECONNRESET"
        const throwing = (): never => {
          throw thrown
        }
        const cases: ReadonlyArray<readonly [HeadersProviderShape, string]> = [
          [HeadersProvider.make({ getHeaders: Effect.fail(thrown) }), text],
          [HeadersProvider.make({ getHeaders: Effect.die(thrown) }), text],
          [HeadersProvider.make({ getHeaders: throwing }), text],
          [{ getHeaders: throwing }, text],
          [{ getHeaders: () => Effect.die(thrown) }, text],
          [{ getHeaders: () => Effect.fail(thrown as never) }, text],
          [
            HeadersProvider.make({ getHeaders: Effect.fail("the vault is sealed.") }),
            "the vault is sealed"
          ],
          [
            HeadersProvider.make({ getHeaders: Effect.fail({ _tag: "VaultSealed" }) }),
            "VaultSealed"
          ],
          [HeadersProvider.make({ getHeaders: Effect.interrupt }), "it was interrupted"]
        ]
        for (const [headersProvider, words] of cases) {
          const { running, server } = yield* creating({
            headersProvider,
            recoverySchedule: Schedule.recurs(2)
          })
          const { message, reason } = A.tagged(running.error(), "Retryable")
          assert.strictEqual(
            message,
            `The headers provider failed: ${words}. Gave up after 3 attempts.`
          )
          assert.strictEqual(reason._tag, "TokenServiceUnavailable")
          assert.strictEqual(server.connections.length, 0)
        }
        // A provider that gives headers in time costs only the attempts before it.
        let asked = 0
        const recovering = HeadersProvider.make({
          getHeaders: Effect.suspend(() => (asked++ < 2 ? Effect.fail(thrown) : Effect.succeed({})))
        })
        const { running } = yield* creating({ headersProvider: recovering, scopeCloseTimeout: 0 })
        running.value()
        assert.strictEqual(asked, 3)
      })
  )

  it.effect(
    "HA-10 fail without a retry with the provider's own typed error, and if it returns no " +
      "effect or no object",
    () =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client()
        const create = (headersProvider: HeadersProviderShape) =>
          Effect.flip(zerobus.createStream(A.table, { headersProvider }))
        const own = new InvalidToken({ message: "The vault has no token for this table." })
        const throwing = (): never => {
          throw own
        }
        for (const getHeaders of [Effect.fail(own), Effect.die(own), throwing]) {
          assert.strictEqual(yield* create(HeadersProvider.make({ getHeaders })), own)
        }
        const promised = () => Promise.resolve({}) as never
        for (const provider of [
          { getHeaders: promised },
          HeadersProvider.make({ getHeaders: promised })
        ]) {
          assert.include(A.tagged(yield* create(provider), "InvalidToken").message, "tryPromise")
        }
        const nothing = HeadersProvider.make({ getHeaders: Effect.succeed(undefined as never) })
        A.tagged(yield* create(nothing), "InvalidArgument")
      })
  )

  it.effect(
    "S-13 are not quoted when an error of their provider contains them on the next connection",
    () =>
      Effect.gen(function* () {
        let asked = 0
        const headersProvider = HeadersProvider.make({
          getHeaders: Effect.suspend(() =>
            asked++ === 0
              ? Effect.succeed({ "authorization": "correct-horse", "x-key": "battery-staple" })
              : Effect.fail(new Error("no successor of correct-horse (battery-staple)"))
          )
        })
        const options = { ...single, headersProvider, recoverySchedule: Schedule.recurs(1) }
        const { server, stream } = yield* A.open(options, A.silent)
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        const last = yield* Effect.flip(stream.flush)
        assert.include(
          A.tagged(last, "Retryable").message,
          "no successor of <redacted> (<redacted>)"
        )
      })
  )

  it.effect("HA-11 HA-66 are fetched anew for every connection", () =>
    Effect.gen(function* () {
      let asked = 0
      const headersProvider = HeadersProvider.make({
        getHeaders: (table) =>
          Effect.sync(() => ({ "authorization": `token-${asked++}`, "x-asked-for": table }))
      })
      const { server } = yield* A.open({ ...single, headersProvider })
      for (const n of [1, 2]) {
        server.last.cut()
        yield* A.advance(10)
        assert.strictEqual(server.connections.length, n + 1)
      }
      assert.deepStrictEqual(
        server.connections.map(({ headers }) => headers["authorization"]),
        ["Bearer token-0", "Bearer token-1", "Bearer token-2"]
      )
      assert.strictEqual(server.last.headers["x-asked-for"], A.table.tableName)
    })
  )
})

describe("refused credentials", () => {
  it.effect(
    "HA-12 are invalidated once and fetched again, for UNAUTHENTICATED and PERMISSION_DENIED",
    () =>
      Effect.gen(function* () {
        for (const status of [code.UNAUTHENTICATED, code.PERMISSION_DENIED]) {
          const { provider, running, server } = yield* creating(
            { scopeCloseTimeout: 0 },
            A.refusing(status),
            {}
          )
          running.value()
          assert.deepStrictEqual(
            [provider.asked, provider.invalidated, server.connections.length],
            [2, 1, 2]
          )
          assert.deepStrictEqual(provider.rejected, ["Bearer token-0"])
          assert.strictEqual(server.last.headers["authorization"], "Bearer token-1")
        }
      })
  )

  it.effect("HA-13 H-49 end the creation when they are refused twice, with the second error", () =>
    Effect.gen(function* () {
      const { provider, running, server } = yield* creating(
        {},
        {
          onCreate: (connection) =>
            connection.fail(code.UNAUTHENTICATED, `refusal ${connection.index}`)
        }
      )
      assert.include(A.tagged(running.error(), "InvalidToken").message, "refusal 1")
      assert.deepStrictEqual(
        [provider.asked, provider.invalidated, server.connections.length],
        [2, 2, 2]
      )
    })
  )

  it.effect(
    "HA-14 end the creation at once without a retry budget, and are still invalidated",
    () =>
      Effect.gen(function* () {
        for (const options of [{ recoverySchedule: Schedule.recurs(0) }, { recovery: false }]) {
          const { provider, running } = yield* creating(options, rejecting, {})
          A.tagged(running.error(), "InvalidToken")
          assert.deepStrictEqual([provider.asked, provider.invalidated], [1, 1])
        }
      })
  )

  it.effect("HA-15 HA-16 share one budget with temporary failures", () =>
    Effect.gen(function* () {
      const down = A.refusing(code.UNAVAILABLE)
      const two = {
        recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 2 })),
        scopeCloseTimeout: 0
      }
      const opened = yield* creating(two, down, rejecting, {})
      opened.running.value()
      assert.deepStrictEqual(
        [opened.server.connections.length, opened.provider.invalidated],
        [3, 1]
      )
      const spent = yield* creating(two, down, rejecting, down, {})
      A.tagged(spent.running.error(), "Retryable")
      assert.strictEqual(spent.server.connections.length, 3)
    })
  )

  it.effect("HA-17 are not invalidated for any other status", () =>
    Effect.gen(function* () {
      for (const status of [code.INVALID_ARGUMENT, code.NOT_FOUND, code.UNIMPLEMENTED]) {
        const { provider, running } = yield* creating({}, A.refusing(status))
        assert.isFalse(running.error()._tag === "InvalidToken")
        assert.strictEqual(provider.invalidated, 0)
      }
    })
  )

  it.effect("HA-18 are final when the provider has nothing to invalidate", () =>
    Effect.gen(function* () {
      let asked = 0
      const headersProvider = HeadersProvider.make({
        getHeaders: Effect.sync(() => ({ authorization: `t${asked++}` }))
      })
      const { running, server } = yield* creating({ headersProvider }, rejecting)
      A.tagged(running.error(), "InvalidToken")
      assert.deepStrictEqual([asked, server.connections.length], [1, 1])
    })
  )

  it.effect("HA-19 are not held up by an invalidation that never ends: the refusal decides", () =>
    Effect.gen(function* () {
      const headersProvider = HeadersProvider.make({
        getHeaders: Effect.succeed({ authorization: "t" }),
        invalidate: Effect.never
      })
      const { running, server } = yield* creating(
        { headersProvider, recoveryTimeout: 200 },
        rejecting
      )
      yield* A.advance(400)
      assert.include(A.tagged(running.error(), "InvalidToken").message, "token refused")
      assert.strictEqual(server.connections.length, 2)
    })
  )

  it.effect(
    "HA-19 S-19 are tried again when their invalidation throws, dies or is not an effect, which " +
      "is logged",
    () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => lines.push(JSON.stringify(message)))
      return Effect.gen(function* () {
        const bugs: ReadonlyArray<() => Effect.Effect<void>> = [
          () => {
            throw new TypeError("s3cr3t")
          },
          () => Effect.die(new TypeError("s3cr3t")),
          () => Promise.resolve() as never
        ]
        for (const invalidate of bugs) {
          let asked = 0
          const getHeaders = () => Effect.sync(() => ({ authorization: `t${asked++}` }))
          const headersProvider = { getHeaders, invalidate }
          // Refused while it opens, and refused while it is open.
          const opening = yield* creating({ ...single, headersProvider }, rejecting, {})
          yield* A.advance(50)
          opening.running.value()
          const { server, stream } = yield* A.open({ ...single, headersProvider }, A.silent, {})
          yield* stream.ingestRecord(A.record(0))
          yield* A.settle
          server.last.fail(code.UNAUTHENTICATED, "expired")
          yield* A.advance(50)
          yield* stream.flush
          assert.strictEqual(asked, 4)
        }
        const text = lines.join("\n")
        assert.strictEqual(text.split("could not invalidate").length - 1, 6)
        assert.notInclude(text, "s3cr3t")
      }).pipe(Effect.provide(Logger.layer([logger])))
    }
  )

  it.effect(
    "HA-20 HA-21 are fetched again on a reconnect, and each later failure is judged by itself",
    () =>
      Effect.gen(function* () {
        const { provider, server, stream } = yield* A.open(
          single,
          A.silent,
          rejecting,
          A.refusing(code.UNAVAILABLE),
          {}
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.advance(50)
        yield* stream.flush
        assert.deepStrictEqual([provider.invalidated, server.connections.length], [1, 4])

        const ended = yield* A.open(
          { ...single, recoverySchedule: Schedule.spaced(10).pipe(Schedule.upTo({ times: 3 })) },
          A.silent,
          rejecting,
          A.refusing(code.UNAVAILABLE)
        )
        yield* ended.stream.ingestRecord(A.record(0))
        yield* A.settle
        ended.server.last.cut()
        yield* A.advance(100)
        A.tagged(yield* Effect.flip(ended.stream.flush), "Retryable")
        assert.strictEqual(ended.provider.invalidated, 1)

        // A temporary failure between two refusals does not count as progress.
        const again = yield* A.open(
          single,
          A.silent,
          rejecting,
          A.refusing(code.UNAVAILABLE),
          rejecting,
          {}
        )
        yield* again.stream.ingestRecord(A.record(0))
        yield* A.settle
        again.server.last.cut()
        yield* A.advance(100)
        A.tagged(yield* Effect.flip(again.stream.flush), "InvalidToken")
        assert.deepStrictEqual(
          [again.provider.invalidated, again.server.connections.length],
          [2, 4]
        )
      })
  )

  // A refusal on a live stream means that its token expired; the official SDKs end the stream
  // there.
  it.effect(
    "HA-22 renew the credentials of an open stream and lose nothing; a second refusal without " +
      "progress is final",
    () =>
      Effect.gen(function* () {
        const { provider, server, stream } = yield* A.open(single, A.silent, {})
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.fail(code.UNAUTHENTICATED, "token expired")
        yield* A.settle
        yield* stream.flush
        assert.deepStrictEqual([provider.invalidated, server.connections.length], [1, 2])
        // Progress in between, so counting starts again at the next refusal.
        server.last.fail(code.UNAUTHENTICATED, "token expired")
        yield* A.settle
        yield* stream.ingestRecord(A.record(1))
        yield* stream.flush
        assert.deepStrictEqual([provider.invalidated, server.connections.length], [2, 3])

        const twice = yield* A.open(single, A.silent, {
          onCreate: (connection) => (connection.accept(), connection.fail(code.UNAUTHENTICATED))
        })
        yield* twice.stream.ingestRecord(A.record(0))
        yield* A.settle
        twice.server.last.fail(code.UNAUTHENTICATED)
        yield* A.advance(50)
        A.tagged(yield* Effect.flip(twice.stream.flush), "InvalidToken")
        assert.deepStrictEqual(
          [twice.provider.invalidated, twice.server.connections.length],
          [2, 2]
        )
      })
  )

  it.effect("HA-23 H-51 are invalidated under the table name that they were requested for", () =>
    Effect.gen(function* () {
      const { provider, zerobus } = yield* A.client(rejecting, {})
      yield* zerobus.createStream(TableProperties.json("  main.default.padded  "))
      assert.deepStrictEqual(
        provider.tables,
        Array.from({ length: 3 }, () => "main.default.padded")
      )
    })
  )
})
