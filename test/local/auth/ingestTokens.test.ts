/**
 * Who may write to a table: the refusals of tokens, and the effect of each missing privilege.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { type Authority, refuseIngest } from "../../../src/local/auth/ingestTokens.ts"
import { makePrincipals, type Privilege } from "../../../src/local/auth/principals.ts"
import { makeTokenMint } from "../../../src/local/auth/tokens.ts"

const key = (byte: number) => Redacted.make(new Uint8Array(32).fill(byte))
const mint = makeTokenMint(key(1))
const table = "main.default.orders"
const bearer = (claims: Partial<Parameters<typeof mint.mint>[0]> = {}, by = mint) =>
  `Bearer ${by.mint({ clientId: "app", table, expiresAt: 1000, ...claims })}`

const authority = (
  grants?: ReadonlyArray<{ on: string; privileges: ReadonlyArray<Privilege> }>
): Authority => ({
  mint,
  principals: makePrincipals([{ clientId: "app", clientSecret: Redacted.make("secret"), grants }])
})

describe("a token", () => {
  it("admits its principal to its table until it expires, in any case of the name", () => {
    assert.isUndefined(refuseIngest(authority(), bearer(), table, 999))
    assert.isUndefined(refuseIngest(authority(), bearer(), "Main.Default.ORDERS", 999))
    assert.strictEqual(refuseIngest(authority(), bearer(), table, 1000)?._tag, "Unauthenticated")
  })

  it("is refused when missing, foreign, changed, for the catalog or for another table", () => {
    const [body, signature] = bearer().slice("Bearer ".length).split(".")
    const forged = Buffer.from(JSON.stringify({ sub: "app", exp: 9e15, table })).toString(
      "base64url"
    )
    for (const [authorization, why] of [
      [undefined, /missing/],
      ["Basic YTpi", /not a bearer token/],
      ["Bearer x", /not issued by this server/],
      [bearer({}, makeTokenMint(key(2))), /not issued by this server/],
      [`Bearer ${forged}.${signature}`, /not issued by this server/],
      [`Bearer ${body}.${signature}.x`, /not issued by this server/],
      [`Bearer ${"x".repeat(5000)}`, /not issued by this server/],
      [bearer({ table: undefined }), /is for the catalog/],
      [bearer({ table: "main.default.others" }), /bound to another table/]
    ] as const) {
      const refused = refuseIngest(authority(), authorization, table, 0)
      assert.strictEqual(refused?._tag, "Unauthenticated", authorization)
      assert.match(refused!.message, why)
    }
  })
})

describe("a principal", () => {
  it("needs four privileges, each on the table or on what is above it", () => {
    const all: ReadonlyArray<Privilege> = ["USE CATALOG", "USE SCHEMA", "SELECT", "MODIFY"]
    assert.isUndefined(
      refuseIngest(authority([{ on: "MAIN", privileges: all }]), bearer(), table, 0)
    )
    for (const lacking of all) {
      const some = all.filter((privilege) => privilege !== lacking)
      const refused = refuseIngest(
        authority([{ on: "main", privileges: some }]),
        bearer(),
        table,
        0
      )
      assert.deepStrictEqual(refused, {
        _tag: "PermissionDenied",
        message: `The principal lacks ${lacking} for ${table}`
      })
    }
    // A grant on a table does not include privileges on its catalog.
    const onTable = refuseIngest(authority([{ on: table, privileges: all }]), bearer(), table, 0)
    assert.include(onTable?.message, "lacks USE CATALOG, USE SCHEMA for")
  })

  it("that is unknown to the server may do nothing", () => {
    const refused = refuseIngest(authority(), bearer({ clientId: "nobody" }), table, 0)
    assert.strictEqual(refused?._tag, "PermissionDenied")
  })

  it("has to give its own secret", () => {
    const { principals } = authority()
    assert.deepStrictEqual(
      [
        principals.authenticate("app", "secret"),
        principals.authenticate("app", ""),
        principals.authenticate("nobody", "")
      ],
      [true, false, false]
    )
  })
})
