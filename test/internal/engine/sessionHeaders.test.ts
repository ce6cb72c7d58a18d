/**
 * Valid headers of a session.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result, Schedule } from "effect"
import {
  HeadersProvider,
  InvalidToken,
  PayloadTooLarge,
  Retryable,
  RetryableReason
} from "effect-zerobus"
import { Turns } from "../../../src/internal/landing/turns.ts"
import { secretsIn, sessionHeaders } from "../../../src/internal/engine/sessionHeaders.ts"
import { finishUnsafe, makeStreamCore } from "../../../src/internal/engine/streamCore.ts"
import { resolve } from "../../../src/StreamConfigurationOptions.ts"
import * as A from "../../support/acceptance.ts"

const headers = (given: Record<string, string>) => sessionHeaders(given, "a.b.c")

describe("sessionHeaders", () => {
  it("lower-cases names, completes the token, and always names the stream's table", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(headers({ "Authorization": "t", "X-A": "", "x-b": " ~!" })),
      {
        "authorization": "Bearer t",
        "x-a": "",
        "x-b": " ~!",
        "x-databricks-zerobus-table-name": "a.b.c"
      }
    )
  })

  it("S-06 refuses every character that a header cannot carry, in names and values", () => {
    for (let char = 0; char < 0x180; char++) {
      const text = String.fromCharCode(char)
      const printable = char >= 0x20 && char <= 0x7e
      assert.strictEqual(
        Result.isSuccess(headers({ "x-note": `a${text}b` })),
        printable,
        `value with U+${char.toString(16)}`
      )
      const token = /[-._0-9A-Za-z]/.test(text)
      assert.strictEqual(
        Result.isSuccess(headers({ [`x${text}n`]: "v" })),
        token,
        `name with U+${char.toString(16)}`
      )
    }
    assert.isTrue(Result.isFailure(headers({ "": "v" })))
    assert.isTrue(Result.isFailure(headers({ x: 5 as unknown as string })))
  })

  it("S-06 refuses what belongs to the transport", () => {
    for (const name of [
      "grpc-timeout",
      "x-trace-bin",
      "Connection",
      "TE",
      "transfer-encoding",
      "content-type",
      ":path",
      "host"
    ]) {
      const result = headers({ [name]: "v" })
      assert.isTrue(Result.isFailure(result), name)
      if (Result.isFailure(result))
        assert.deepStrictEqual((result.failure as { path?: unknown }).path, ["headersProvider"])
    }
  })
})

describe("the headers of an ended stream", () => {
  it.effect("S-13 are not kept, however long the program holds the stream for its records", () =>
    Effect.gen(function* () {
      const core = yield* makeStreamCore(A.table, Result.getOrThrow(resolve({})), new Turns())
      core.headers = Redacted.make({ authorization: "Bearer t" })
      finishUnsafe(core, undefined)
      assert.deepStrictEqual(Redacted.value(core.headers), {})
    })
  )
})

describe("what is wrong with headers", () => {
  const refused = (given: unknown) => {
    const result = sessionHeaders(given as Record<string, string>, "a.b.c")
    if (Result.isSuccess(result)) return assert.fail("they were taken")
    const { _tag, message } = result.failure
    return { _tag, message, path: "path" in result.failure ? result.failure.path : undefined }
  }
  const path = ["headersProvider"]

  it("is reported with its name and its provider, without the value", () => {
    const shape = "The headers provider must return an object of header names and values."
    for (const given of [null, undefined, "authorization", 5, () => ({})]) {
      assert.deepStrictEqual(refused(given), { _tag: "InvalidArgument", message: shape, path })
    }
    assert.deepStrictEqual(refused({ "X-Note": "canary\n" }), {
      _tag: "InvalidArgument",
      message: `The value of header "x-note" must be printable ASCII.`,
      path
    })
    assert.deepStrictEqual(refused({ "x note": "canary" }), {
      _tag: "InvalidArgument",
      message:
        `(not a plain name) is not a legal header name: letters, digits, "-", "_" and "." ` +
        `only.`,
      path
    })
    assert.include(refused({ "x.note": "canary\n" }).message, "(not a plain name)")
    assert.include(refused({ [`dapi${"0".repeat(32)}`]: "canary\n" }).message, "(not a plain name)")
    assert.deepStrictEqual(refused({ "Content-Type": "canary" }), {
      _tag: "InvalidArgument",
      message:
        `The header "content-type" is set by the transport. ` +
        "Remove it from the headers provider.",
      path
    })
    assert.deepStrictEqual(refused({ Authorization: "canary\n" }), {
      _tag: "InvalidToken",
      message: "The token is not a legal header value: printable ASCII, at most 16 KiB.",
      path: undefined
    })
  })

  it("is a value above 16 KiB, but not one of exactly that", () => {
    const most = "v".repeat(16 * 1024)
    for (const name of ["x-note", "authorization"]) {
      assert.isTrue(Result.isSuccess(headers({ [name]: most })), name)
      assert.isTrue(Result.isFailure(headers({ [name]: `${most}v` })), name)
    }
  })

  it("is each name of the transport, and none that only looks like one", () => {
    const of =
      "connection keep-alive proxy-connection transfer-encoding upgrade te host content-type " +
      "content-length http2-settings user-agent accept-encoding"
    for (const name of [...of.split(" "), "grpc-", "grpc-encoding", "-bin", "trace-bin"]) {
      assert.include(refused({ [name]: "v" }).message, "is set by the transport", name)
      assert.include(
        refused({ [name.toUpperCase()]: "v" }).message,
        "is set by the transport",
        name
      )
    }
    for (const name of [
      "x-connection",
      "connections",
      "xte",
      "tex",
      "hosts",
      "grpc",
      "x-grpc-a",
      "cabin",
      "x-bina"
    ]) {
      assert.isTrue(Result.isSuccess(headers({ [name]: "v" })), name)
    }
  })
})

describe("a token", () => {
  it("gets Bearer in front when it has no scheme, and is left out when it is blank", () => {
    for (const [given, sent] of [
      ["t0", "Bearer t0"],
      ["  t0 ", "Bearer t0"],
      ["Bearer t0", "Bearer t0"],
      [" bearer  t0 ", "bearer  t0"],
      ["Custom+1.0-x a b", "Custom+1.0-x a b"],
      ["1st token", "Bearer 1st token"],
      ["Bearer", "Bearer Bearer"],
      ["", undefined],
      ["   ", undefined]
    ] as const) {
      assert.strictEqual(
        Result.getOrThrow(headers({ authorization: given }))["authorization"],
        sent,
        given
      )
    }
  })
})

describe("what must not be quoted of headers", () => {
  it("is every value but the table's, trimmed; of a token what follows its scheme", () => {
    const sent = Result.getOrThrow(
      headers({ "authorization": "Custom  t0 and more", "x-key": "  k1 " })
    )
    assert.deepStrictEqual(secretsIn(sent), ["t0 and more", "k1"])
    assert.deepStrictEqual(secretsIn({}), [])
  })
})

describe("a headers provider", () => {
  it.effect(
    "that fails with PayloadTooLarge, which no stream fails with, is retried like any other",
    () =>
      Effect.gen(function* () {
        const { zerobus } = yield* A.client({})
        const error = new PayloadTooLarge({ size: 2, limit: 1, option: "maxPayloadBytes" })
        const headersProvider = HeadersProvider.make({ getHeaders: Effect.fail(error) })
        const failure = yield* Effect.flip(
          zerobus.createStream(A.table, { headersProvider, recovery: false })
        )
        assert.include(A.tagged(failure, "Retryable").message, "PayloadTooLarge")
      })
  )

  it.effect(
    "that fails with an ill-typed failure of the client's own is tried again, and the stream " +
      "gets its text",
    () =>
      Effect.gen(function* () {
        const message = "The token service said no."
        const reason = { _tag: "TokenServiceUnavailable", message }
        for (const [given, text] of [
          [
            new Retryable({ reason: { ...reason, retryAfterMillis: 5n }, attempts: 1 } as any),
            message
          ],
          [
            new Retryable({ reason: { ...reason, retryAfterMillis: "5" }, attempts: 1 } as any),
            message
          ],
          [
            new Retryable({ reason: undefined, attempts: 1 } as any),
            "an error that cannot be read"
          ],
          [
            new Retryable({ reason: { ...reason, _tag: Symbol("tag") }, attempts: 1 } as any),
            message
          ],
          [new Retryable({ reason: { ...reason, message: 5 }, attempts: 1 } as any), "Retryable"],
          [
            new Retryable({ reason, attempts: Symbol("many") } as any),
            "an error that cannot be read"
          ],
          [new InvalidToken({ message: 5n } as any), "InvalidToken"]
        ] as const) {
          const { server, zerobus } = yield* A.client({})
          let asked = 0
          const getHeaders = Effect.suspend(() =>
            asked++ === 0 ? Effect.fail(given) : Effect.succeed({ "x-note": "v" })
          )
          const running = yield* A.started(
            zerobus.createStream(A.table, {
              headersProvider: HeadersProvider.make({ getHeaders }),
              recoverySchedule: Schedule.spaced(10)
            })
          )
          yield* A.advance(100)
          running.value()
          assert.deepStrictEqual([asked, server.connections.length], [2, 1])
          const alone = HeadersProvider.make({ getHeaders: Effect.fail(given) })
          const error = yield* Effect.flip(
            zerobus.createStream(A.table, { headersProvider: alone, recovery: false })
          )
          assert.include(A.tagged(error, "Retryable").message, `The headers provider failed: `)
          assert.include(error.message, text.replace(/\.$/, ""))
        }
      })
  )

  it.effect("that fails with a failure of the client's own fails the stream with that", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const reason = RetryableReason.TokenServiceUnavailable({
        message: "Later.",
        retryAfterMillis: Infinity
      })
      const denied = new InvalidToken({ message: "Never." })
      for (const given of [new Retryable({ reason, attempts: 1 }), denied]) {
        const headersProvider = HeadersProvider.make({ getHeaders: Effect.fail(given) })
        const error = yield* Effect.flip(
          zerobus.createStream(A.table, { headersProvider, recovery: false })
        )
        assert.deepStrictEqual([error._tag, error.message], [given._tag, given.message])
      }
    })
  )

  it.effect("whose headers have a getter that throws gives an error without its text", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const headersProvider = HeadersProvider.make({
        getHeaders: Effect.succeed({
          get authorization(): string {
            throw new Error(`no token but dapi0123456789abcdefghijklmnopqrstuvwxyz`)
          }
        })
      })
      const error = yield* Effect.flip(
        zerobus.createStream(A.table, { headersProvider, recovery: false })
      )
      assert.include(A.tagged(error, "Retryable").message, "Error: no token but <redacted>")
      assert.notInclude(String(error), "dapi0123456789abcdefghijklmnopqrstuvwxyz")
    })
  )
})
