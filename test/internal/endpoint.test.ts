/**
 * Endpoints: what gets through is a host and a port, whatever the text.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseEndpoint, workspaceId } from "../../src/internal/endpoint.ts"
import { seeded } from "../support/zones.ts"

const alphabet = [
  "a",
  "Z",
  "9",
  "0",
  ".",
  "-",
  "_",
  ":",
  "::",
  "/",
  "//",
  "[",
  "]",
  "@",
  "?",
  "#",
  "%",
  "\\",
  " ",
  "\n",
  "\0",
  "\u00e9",
  "https://",
  "http://",
  "localhost",
  "127.0.0.1",
  "::1",
  "443",
  "xn--"
]

describe("parseEndpoint", () => {
  it("gives a URL of the same host and port, or a sentence, for 50,000 random texts", () => {
    const random = seeded(11)
    let accepted = 0
    for (let n = 0; n < 50_000; n++) {
      const text = Array.from({ length: 1 + random.below(6) }, () => alphabet[random.below(alphabet.length)]!).join("")
      const result = parseEndpoint(text, "The endpoint")
      if (Result.isFailure(result)) {
        assert.match(result.failure.message, /^The endpoint /)
        continue
      }
      accepted++
      const { host, origin, port, secure } = result.success
      assert.match(host, /^[a-z0-9_.:-]+$/)
      assert.isTrue(port >= 1 && port <= 65_535)
      const url = new URL(origin)
      assert.deepStrictEqual([url.username, url.password, url.pathname, url.search, url.hash], ["", "", "/", "", ""])
      if (!host.includes(":")) assert.strictEqual(url.hostname, host, text)
      assert.strictEqual(url.protocol, secure ? "https:" : "http:")
      if (!secure) assert.match(host, /^(localhost|127\.\d+\.\d+\.\d+|::1)$/)
    }
    assert.isAbove(accepted, 1000)
  })

  it("never quotes what it was given, which may be a URL with a password", () => {
    for (const text of ["https://user:canary@host", "canary\0", "https://host/canary", "http://canary.example"]) {
      const result = parseEndpoint(text, "The endpoint")
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.notInclude(result.failure.message, "canary")
    }
  })

  it("has a workspace id for every endpoint that it lets through", () => {
    for (const text of ["host", "1.zerobus.example", "[::1]:5", "10.0.0.1"]) {
      assert.match(workspaceId(Result.getOrThrow(parseEndpoint(text, "The endpoint"))), /^[a-z0-9_-]+$/)
    }
  })
})
