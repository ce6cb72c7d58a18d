/**
 * `docs/migrating.md` names every call of the official native SDK, as the fetched version has them.
 */
import { assert, it } from "@effect/vitest"
import { createRequire } from "node:module"
import { read } from "../support/pages.ts"

type Classes = Readonly<Record<string, (new () => unknown) | object>>

it("the page on migrating names every call of the SDK", () => {
  const sdk = createRequire(import.meta.url)(process.env["NATIVE_SDK"]!) as Classes
  const page = read("docs/migrating.md")
  const calls = Object.values(sdk).flatMap((value) =>
    typeof value === "function" ? Object.getOwnPropertyNames(value.prototype) : []
  )
  const names = [...new Set(calls)].filter((name) => name !== "constructor")
  assert.includeMembers(names, ["ingestRecordOffset", "waitForOffset", "recreateStream"])
  assert.deepStrictEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)),
    []
  )
})
