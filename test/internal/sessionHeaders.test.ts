/**
 * What may stand in the headers of a session.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { sessionHeaders } from "../../src/internal/sessionHeaders.ts"
import { finish, makeStreamCore } from "../../src/internal/streamCore.ts"
import { resolve } from "../../src/StreamConfigurationOptions.ts"
import * as A from "../support/acceptance.ts"

const headers = (given: Record<string, string>) => sessionHeaders(given, "a.b.c")

describe("sessionHeaders", () => {
  it("lower-cases names, completes the token, and always names the stream's table", () => {
    assert.deepStrictEqual(Result.getOrThrow(headers({ "Authorization": "t", "X-A": "", "x-b": " ~!" })), {
      "authorization": "Bearer t",
      "x-a": "",
      "x-b": " ~!",
      "x-databricks-zerobus-table-name": "a.b.c"
    })
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
      assert.strictEqual(Result.isSuccess(headers({ [`x${text}n`]: "v" })), token, `name with U+${char.toString(16)}`)
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
  it.effect("S-13 are not kept, however long somebody holds the stream for its records", () =>
    Effect.gen(function* () {
      const core = yield* makeStreamCore(A.table, Result.getOrThrow(resolve({})))
      core.headers = Redacted.make({ authorization: "Bearer t" })
      yield* finish(core, undefined)
      assert.deepStrictEqual(Redacted.value(core.headers), {})
    })
  )
})
