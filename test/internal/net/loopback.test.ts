/**
 * Which hosts count as this machine, by spelling; and where that rule is used.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseEndpoint } from "../../../src/internal/net/endpoint.ts"
import { isLoopback } from "../../../src/internal/net/loopback.ts"

const loopback: ReadonlyArray<string> = [
  "localhost",
  "LocalHost",
  "127.0.0.1",
  "127.0.0.0",
  "127.1.2.3",
  "127.255.255.255",
  "::1",
  "[::1]",
  "0:0:0:0:0:0:0:1",
  "[0000::0001]",
  "::ffff:127.0.0.1",
  "[::ffff:127.9.9.9]",
  "::FFFF:7f00:1"
]

const others: ReadonlyArray<string> = [
  "",
  "126.255.255.255",
  "128.0.0.1",
  "0.0.0.0",
  "::",
  "::2",
  "::ffff:128.0.0.1",
  "::ffff:10.0.0.1",
  // The form without ffff is no longer an IPv4 address.
  "::127.0.0.1",
  "fe80::1",
  "::1%lo",
  // Not addresses, whatever a lenient parser accepts.
  "127.1",
  "127",
  "2130706433",
  "0x7f.0.0.1",
  "0177.0.0.1",
  "127.0.0.01",
  "127.0.0.256",
  "127.0.0.1.",
  "127.0.0.1.example.com",
  "[127.0.0.1]",
  "[localhost]",
  "[::1",
  "::1]",
  "[[::1]]",
  " localhost",
  // Names that a DNS server may resolve.
  "localhost.",
  "a.localhost",
  "localhost.example.com",
  "localhost.localdomain"
]

describe("isLoopback", () => {
  for (const host of loopback)
    it(`takes ${JSON.stringify(host)}`, () => assert.isTrue(isLoopback(host)))
  for (const host of others)
    it(`refuses ${JSON.stringify(host)}`, () => assert.isFalse(isLoopback(host)))

  it("decides which endpoints may be plain http", () => {
    const url = (host: string) =>
      `http://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:8080`
    for (const host of loopback)
      assert.isTrue(Result.isSuccess(parseEndpoint(url(host), "The endpoint")), host)
    for (const host of others)
      assert.isTrue(Result.isFailure(parseEndpoint(url(host), "The endpoint")), host)
  })
})
