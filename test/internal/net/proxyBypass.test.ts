/**
 * Which hosts a bypass list matches, for each rule and at its limits. The port is 443.
 */
import { assert, describe, it } from "@effect/vitest"
import { bypasses } from "../../../src/internal/net/proxyBypass.ts"

describe("a bypass list", () => {
  const rules: ReadonlyArray<readonly [list: string, host: string, bypassed: boolean]> = [
    // Names: the name and everything below it, with a dot, a star and a dot, or neither.
    ["example.com", "example.com", true],
    ["example.com", "a.example.com", true],
    ["example.com", "a.b.example.com", true],
    [".example.com", "example.com", true],
    [".example.com", "a.example.com", true],
    ["*.example.com", "a.example.com", true],
    ["*.example.com", "example.com", true],
    ["example.com", "notexample.com", false],
    ["example.com", "example.com.org", false],
    ["a.example.com", "example.com", false],
    ["..example.com", "a.example.com", false],
    ["*example.com", "a.example.com", false],
    ["a.*.com", "a.b.com", false],
    ["EXAMPLE.Com", "example.com", true],
    // All.
    ["*", "anything", true],
    ["a, *", "anything", true],
    ["*.", "anything", false],
    ["**", "anything", false],
    // Lists.
    ["a.org,example.com", "example.com", true],
    ["a.org example.com", "example.com", true],
    ["a.org , \t example.com", "example.com", true],
    ["a.org;example.com", "example.com", false],
    ["", "example.com", false],
    [" , ", "example.com", false],
    ["", "", false],
    [",", "", false],
    [".", "example.com", false],
    [".", "a.", false],
    ["a,", "host.", false],
    [":443", "host.", false],
    ["[]", "host.", false],
    // A name that ends with the dot of the root.
    ["example.com", "a.example.com.", true],
    // A port: only at that port.
    ["example.com:443", "example.com", true],
    [".example.com:443", "a.example.com", true],
    ["example.com:8080", "a.example.com", false],
    ["other.org, example.com:1,example.com:443", "example.com", true],
    ["example.com:", "example.com", false],
    ["example.com:port", "example.com", false],
    ["example.com:443x", "example.com", false],
    ["example.com:443x", "example.comx", false],
    ["example.com:443:443", "example.com", false],
    // Addresses and ranges.
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.1:443", "127.0.0.1", true],
    ["127.0.0.1:9", "127.0.0.1", false],
    ["127.0.0.1", "127.0.0.11", false],
    ["0.0.1", "10.0.0.1", false],
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8:443", "10.255.0.1", true],
    ["10.0.0.0/8:9", "10.255.0.1", false],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.1.2.3/16", "10.1.255.255", true],
    ["0.0.0.0/0", "8.8.8.8", true],
    ["10.0.0.1/32", "10.0.0.1", true],
    ["10.0.0.0/33", "10.0.0.0", false],
    ["10.0.0.0/", "10.0.0.0", false],
    ["10.0.0.0/8/8", "10.0.0.0", false],
    ["10.0.0/8", "10.0.0.1", false],
    ["10.0.0.0/8", "example.com", false],
    ["2001:db8::/32", "2001:db8:1::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["[2001:db8::]/32", "2001:db8::1", false],
    ["fe80::1%eth0", "fe80::1", false],
    ["::/0", "2001:db8::1", true],
    ["2001:DB8:0:0::1", "2001:db8::1", true],
    ["::1", "::1", true],
    ["[::1]", "::1", true],
    ["[::1]:443", "::1", true],
    ["2001:db8::1", "2001:db8::1", true],
    ["2001:db8::1:443", "2001:db8::1", false],
    ["[2001:db8::1]:443", "2001:db8::1", true],
    ["[2001:db8::1]:", "2001:db8::1", false],
    ["x[::1]:443", "::1", false],
    ["[::1]x", "::1", false],
    ["a[b", "ab", false],
    ["a]b", "ab", false]
  ]
  for (const [list, host, bypassed] of rules) {
    it(
      `${JSON.stringify(list)} ${bypassed ? "names" : "does not name"} ` +
        `${host === "" ? "an empty host" : host}`,
      () => {
        assert.strictEqual(bypasses(list, { host, port: 443 }), bypassed)
      }
    )
  }
})
