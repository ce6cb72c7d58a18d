/**
 * The HTTP client of the workspace: the kind and text of each failure, and when a request ends.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import {
  WorkspaceFailure,
  workspaceJson,
  type WorkspaceRequest,
  workspaceRequest,
  workspaceRoute
} from "../../../src/internal/net/workspace.ts"
import * as A from "../../support/acceptance.ts"
import { tokenServer, type TokenAnswer } from "../../support/tokenServer.ts"

const secret = "canary-secret"
const request: WorkspaceRequest = {
  method: "GET",
  path: "/things",
  headers: { authorization: `Bearer ${secret}` },
  limit: 1_000,
  secrets: [secret]
}

/** A workspace with these responses, and requests to it. */
const workspace = (...answers: ReadonlyArray<TokenAnswer>) =>
  Effect.gen(function* () {
    const server = yield* tokenServer(...answers)
    const service = {
      name: "The thing",
      route: yield* workspaceRoute(server.url, { proxy: false })
    }
    return {
      server,
      where: `The thing at ${server.url}`,
      text: (options: Partial<WorkspaceRequest> = {}) =>
        workspaceRequest(service, { ...request, ...options }),
      json: workspaceJson(service, request)
    }
  })

const failing = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, WorkspaceFailure)
    return error as WorkspaceFailure
  })

describe("an answer", () => {
  it.live("with status 200 is returned as text or as JSON", () =>
    Effect.gen(function* () {
      const { json, server, text } = yield* workspace({ body: '{"a": 1}' })
      assert.strictEqual(yield* text(), '{"a": 1}')
      assert.deepStrictEqual(yield* json, { a: 1 })
      assert.deepStrictEqual(
        server.requests.map(({ headers, method, path }) => [method, path, headers.authorization]),
        Array.from({ length: 2 }, () => ["GET", "/things", `Bearer ${secret}`])
      )
    })
  )

  it.live("of any other status is a failure of one kind, with status, code and reason", () =>
    Effect.gen(function* () {
      const body = { error_code: "NOT_THERE", message: "There is no such thing." }
      const kinds: Readonly<Record<number, WorkspaceFailure["kind"]>> = {
        400: "Refused",
        401: "Refused",
        404: "Refused",
        407: "Refused",
        408: "Unavailable",
        409: "Refused",
        428: "Refused",
        429: "Unavailable",
        499: "Refused",
        500: "Unavailable",
        599: "Unavailable"
      }
      for (const [text, kind] of Object.entries(kinds)) {
        const status = Number(text)
        const { text: send, where } = yield* workspace({
          status,
          body,
          headers: { "retry-after": "3" }
        })
        const failure = yield* failing(send({ about: "a.b.c" }))
        assert.deepStrictEqual(
          [failure.kind, failure.status, failure.errorCode, failure.retryAfterMillis],
          [kind, status, "NOT_THERE", 3_000]
        )
        assert.strictEqual(
          failure.message,
          `${where} answered ${status} for a.b.c: There is no such thing.`
        )
      }
    })
  )

  it.live("states the pause that the service requests, also as a date", () =>
    Effect.gen(function* () {
      const until = "Sun, 29 Nov 2026 12:02:00 GMT"
      const { text } = yield* workspace({
        status: 503,
        headers: { "retry-after": until, "date": "Sun, 29 Nov 2026 12:00:00 GMT" },
        body: ""
      })
      assert.strictEqual((yield* failing(text())).retryAfterMillis, 120_000)
    })
  )

  it.live(
    "of a status between 201 and 299 is not quoted: what it grants is a secret of any shape",
    () =>
      Effect.gen(function* () {
        for (const status of [201, 206, 299]) {
          const { text, where } = yield* workspace({ status, body: "other-secret" })
          const failure = yield* failing(text())
          assert.deepStrictEqual(
            [failure.kind, failure.message],
            ["Refused", `${where} answered ${status}.`]
          )
        }
      })
  )

  it.live("that redirects is not followed", () =>
    Effect.gen(function* () {
      const elsewhere = yield* tokenServer({ body: "{}" })
      for (const status of [300, 301, 302, 303, 304, 307, 308, 399]) {
        const { text, where } = yield* workspace({
          status,
          headers: { location: elsewhere.url },
          body: ""
        })
        const failure = yield* failing(text())
        assert.strictEqual(failure.kind, "Misdirected")
        assert.strictEqual(
          failure.message,
          `${where} answered with a redirect (${status}), which is not followed.`
        )
      }
      assert.strictEqual(elsewhere.requests.length, 0)
    })
  )

  it.live("is read up to the limit of the request, to the byte", () =>
    Effect.gen(function* () {
      const fits = yield* workspace({ body: "x".repeat(1_000) })
      assert.strictEqual((yield* fits.text()).length, 1_000)
      const { text, where } = yield* workspace({ body: "x".repeat(1_001) })
      const failure = yield* failing(text())
      assert.strictEqual(failure.kind, "TooLarge")
      assert.strictEqual(failure.message, `${where} sent an answer that is larger than 1000 bytes.`)
    })
  )

  it.live("holds no credential of the request where it is shown or used", () =>
    Effect.gen(function* () {
      const escapes = [...secret].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join("")
      for (const body of [
        secret,
        `{"message": "no ${secret}"}`,
        `{"a": "${escapes}"}`,
        `{"message": "${escapes}"}`
      ]) {
        const { text } = yield* workspace({ status: 400, body })
        const { message } = yield* failing(text())
        assert.include(message, "<redacted>")
        assert.notInclude(message, secret)
      }
      for (const body of [`{"a": "x${secret}x"}`, `{"a": {"${escapes}": 1}}`]) {
        const { json } = yield* workspace({ body })
        const failure = yield* failing(json)
        assert.strictEqual(failure.kind, "Misdirected")
        assert.match(
          failure.message,
          /contains the credentials of the request, so it is not used\.$/
        )
      }
    })
  )

  it.live("that is not JSON is not from a workspace", () =>
    Effect.gen(function* () {
      for (const body of ["", "<html>", '{"a":']) {
        const { json, server } = yield* workspace({ body })
        const failure = yield* failing(json)
        assert.deepStrictEqual(
          [failure.kind, failure.message],
          ["Misdirected", `The answer of ${server.url} is not JSON.`]
        )
      }
    })
  )
})

describe("a request", () => {
  it.effect("ends after 30 seconds without an answer, and its connection with it", () =>
    Effect.gen(function* () {
      const { server, text, where } = yield* workspace("hang")
      const asking = yield* A.started(failing(text()))
      yield* A.until("the request arrived", () => server.requests.length === 1)
      yield* TestClock.adjust(29_999)
      assert.isFalse(asking.done())
      yield* TestClock.adjust(1)
      yield* A.until("it ended", () => asking.done())
      const { kind, message, status } = asking.value()
      assert.deepStrictEqual([kind, status], ["Unavailable", 0])
      assert.strictEqual(message, `${where} did not answer within 30000 ms.`)
      yield* server.abandoned
    })
  )

  it.live("ends its connection when it is interrupted", () =>
    Effect.gen(function* () {
      const { server, text } = yield* workspace("hang")
      const asking = yield* Effect.forkChild(text(), { startImmediately: true })
      yield* A.until("the request arrived", () => server.requests.length === 1)
      asking.interruptUnsafe()
      yield* server.abandoned
    })
  )

  it.live("to an unreachable workspace fails with that", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(tokenServer({ body: "{}" }))
      const route = yield* workspaceRoute(gone.url, { proxy: false })
      const failure = yield* failing(workspaceRequest({ name: "The thing", route }, request))
      assert.strictEqual(failure.kind, "Unavailable")
      assert.include(
        failure.message,
        `The thing at ${gone.url} could not be reached: connect ECONNREFUSED`
      )
    })
  )
})
