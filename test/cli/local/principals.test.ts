/** Principals on the command line, and their secrets. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import {
  grantsText,
  principalOf,
  principalsOf,
  secretFromEnvironment,
  shellText
} from "../../../src/cli/local/principals.ts"

describe("a principal", () => {
  it.effect.each<
    readonly [text: string, clientId: string, grants: ReadonlyArray<unknown> | undefined]
  >([
    ["writer", "writer", undefined],
    ["nobody: NONE", "nobody", []],
    [
      "reader: use catalog, USE  SCHEMA,select on main",
      "reader",
      [{ on: "main", privileges: ["USE CATALOG", "USE SCHEMA", "SELECT"] }]
    ],
    [
      " a.b-c : USE CATALOG ON CATALOG main; USE SCHEMA ON SCHEMA main.default; SELECT, MODIFY " +
        "ON TABLE main.default.t;",
      "a.b-c",
      [
        { on: "main", privileges: ["USE CATALOG"] },
        { on: "main.default", privileges: ["USE SCHEMA"] },
        { on: "main.default.t", privileges: ["SELECT", "MODIFY"] }
      ]
    ],
    [
      "x: ALL PRIVILEGES ON main.default",
      "x",
      [{ on: "main.default", privileges: ["USE SCHEMA", "SELECT", "MODIFY"] }]
    ]
  ])("%s", ([text, clientId, grants]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* principalOf(text), { clientId, grants: grants as never })
    })
  )

  it.effect.each<readonly [text: string, says: RegExp]>([
    ["", /its name has letters/],
    ["a b", /its name has letters/],
    [
      "a-b=secret: NONE",
      /^The --principal "a-b" takes no secret, .*Set ZEROBUS_LOCAL_SECRET_A_B, or leave it/
    ],
    ["local-client", /the principal that every server has/],
    ["a:", /names no grant/],
    ["a: SELECT", /"SELECT" is not a grant/],
    ["a: SELECT ON", /is not a grant/],
    ["a: SELECT ON main.default.t.u", /is not a grant/],
    [
      "a: WRITE ON main",
      /"WRITE" is not a privilege\. The privileges are USE CATALOG, USE SCHEMA, SELECT, MODIFY and ALL PRIVILEGES/
    ],
    [
      "a: USE CATALOG ON main.default",
      /USE CATALOG is granted on a catalog, which main\.default is not/
    ],
    [
      "a: USE SCHEMA ON main.default.t",
      /USE SCHEMA is granted on a catalog or a schema, which main\.default\.t is not/
    ]
  ])("is refused: %s", ([text, says]) =>
    Effect.gen(function* () {
      assert.match((yield* Effect.flip(principalOf(text))).message, says)
    })
  )

  it.effect("has a variable of its own for its secret", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(principalsOf(["a-b", "A.b"]))
      assert.match(message, /the variable ZEROBUS_LOCAL_SECRET_A_B .*Rename one/)
    })
  )

  it.effect("has the secret of its variable, where that is not empty", () =>
    Effect.gen(function* () {
      const found = yield* secretFromEnvironment("a-b")
      assert.strictEqual(Redacted.value(found!), "word")
      assert.isUndefined(yield* secretFromEnvironment("c"))
      assert.isUndefined(yield* secretFromEnvironment("d"))
    }).pipe(
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnvRecord({
          ZEROBUS_LOCAL_SECRET_A_B: "word",
          ZEROBUS_LOCAL_SECRET_C: ""
        })
      )
    )
  )
})

it("grants are said in words", () => {
  assert.strictEqual(grantsText(undefined), "may do everything")
  assert.strictEqual(grantsText([]), "may do nothing")
  assert.strictEqual(
    grantsText([{ on: "main", privileges: ["USE CATALOG", "SELECT"] }]),
    "has USE CATALOG, SELECT on main"
  )
})

it.each(["plain-1", "a b", "it's $HOME `x`", "*", ""])(
  "a text is one word of a shell: %s",
  (text) => {
    assert.strictEqual(
      execFileSync("sh", ["-c", `printf %s ${shellText(text)}`], { encoding: "utf8" }),
      text
    )
  }
)
