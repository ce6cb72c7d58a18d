/**
 * Endpoints: only a host and a port pass, whatever the text.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseEndpoint, workspaceId } from "../../../src/internal/net/endpoint.ts"
import { seeded } from "../../support/zones.ts"

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
      const text = Array.from(
        { length: 1 + random.below(6) },
        () => alphabet[random.below(alphabet.length)]!
      ).join("")
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
      assert.deepStrictEqual(
        [url.username, url.password, url.pathname, url.search, url.hash],
        ["", "", "/", "", ""]
      )
      if (!host.includes(":")) assert.strictEqual(url.hostname, host, text)
      assert.strictEqual(url.protocol, secure ? "https:" : "http:")
      if (!secure) assert.match(url.hostname, /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/)
    }
    assert.isAbove(accepted, 1000)
  })

  it("never quotes what it was given, which may be a URL with a password", () => {
    for (const text of [
      "https://user:canary@host",
      "canary\0",
      "https://host/canary",
      "http://canary.example"
    ]) {
      const result = parseEndpoint(text, "The endpoint")
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.notInclude(result.failure.message, "canary")
    }
  })

  it("has a workspace id for every endpoint that it lets through", () => {
    for (const text of ["host", "1.zerobus.example", "[::1]:5", "10.0.0.1"]) {
      assert.match(
        workspaceId(Result.getOrThrow(parseEndpoint(text, "The endpoint"))),
        /^[a-z0-9_-]+$/
      )
    }
  })
})

describe("an endpoint", () => {
  const good: ReadonlyArray<readonly [text: string, host: string, port: number, origin: string]> = [
    ["host", "host", 443, "https://host:443"],
    ["HOST.Example", "host.example", 443, "https://host.example:443"],
    ["host.example.", "host.example.", 443, "https://host.example.:443"],
    ["host:1", "host", 1, "https://host:1"],
    ["host:65535", "host", 65_535, "https://host:65535"],
    ["host:00443", "host", 443, "https://host:443"],
    ["https://host/", "host", 443, "https://host:443"],
    ["HTTPS://host:8443/", "host", 8443, "https://host:8443"],
    [" \thost \n", "host", 443, "https://host:443"],
    ["_a-b._c", "_a-b._c", 443, "https://_a-b._c:443"],
    [`${"a".repeat(63)}.b`, `${"a".repeat(63)}.b`, 443, `https://${"a".repeat(63)}.b:443`],
    ["0.0.0.0", "0.0.0.0", 443, "https://0.0.0.0:443"],
    ["255.249.199.99:9", "255.249.199.99", 9, "https://255.249.199.99:9"],
    ["http://localhost", "localhost", 80, "http://localhost:80"],
    ["http://127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080"],
    ["http://127.255.255.255", "127.255.255.255", 80, "http://127.255.255.255:80"],
    ["http://[::1]", "::1", 80, "http://[::1]:80"],
    ["http://::1", "::1", 80, "http://[::1]:80"],
    ["::1", "::1", 443, "https://[::1]:443"],
    ["::", "::", 443, "https://[::]:443"],
    ["2001:DB8::42", "2001:db8::42", 443, "https://[2001:db8::42]:443"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 443, "https://[1:2:3:4:5:6:7:8]:443"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1", 443, "https://[::ffff:10.0.0.1]:443"],
    ["[::ffff:10.0.0.1]:5", "::ffff:10.0.0.1", 5, "https://[::ffff:10.0.0.1]:5"]
  ]
  for (const [text, host, port, origin] of good) {
    it(`${JSON.stringify(text)} is ${origin}`, () => {
      assert.deepStrictEqual(Result.getOrThrow(parseEndpoint(text, "The endpoint")), {
        secure: !text.startsWith("http:"),
        host,
        port,
        origin
      })
    })
  }

  const bad: Readonly<Record<string, ReadonlyArray<string>>> = {
    "is empty": ["", "  ", "\n"],
    "has characters that a host cannot have": [
      "ho st",
      "ho\tst",
      "ho\\st",
      "ho%2est",
      "\u00e9host",
      "host\u00e9",
      "ho\u00e9st",
      "ho\u007fst",
      "\u0001host"
    ],
    "has the scheme ftp, which is not https": ["ftp://host", "FTP://host"],
    "has the scheme ahttps, which is not https": ["ahttps://host"],
    "has the scheme httpss, which is not https": ["httpss://host"],
    "contains credentials, which are not allowed there": [
      "user@host",
      "https://user:password@host",
      "host@",
      "a@b/c"
    ],
    "has a path, query or fragment": [
      "host/path",
      "host//",
      "host?q",
      "host#f",
      "https://host/path",
      "[https://",
      "x/https://h"
    ],
    "is not a host with an optional port": [
      "/",
      "https://",
      "https:///",
      ":443",
      "host:",
      "host:port",
      "host:-1",
      "host:100000",
      "host:443:443x",
      "[::1",
      "::1]",
      "[::g]",
      "[::1]443",
      "[::1]:",
      "x[::1]",
      "x::1",
      "::1x",
      "1::x::2",
      "a[b"
    ],
    "has a port outside 1 to 65535": [
      "host:0",
      "host:00000",
      "host:65536",
      "host:99999",
      "[::1]:0",
      "http://localhost:0"
    ],
    "is not a valid IPv6 address": [
      ":::1",
      "1::2::3",
      "1:2:3",
      "[1:2]",
      "12345::",
      "::1.2.3",
      "[:]",
      "1:2:3:4:5:6:7:8:9"
    ],
    "is not a valid host name or IPv4 address": [
      "-host",
      "host..example",
      ".host",
      "256.1.1.1",
      "1.2.3",
      "1.2.3.4.5",
      "01.2.3.4",
      "1.2.3.260",
      "1.2.3.4.",
      "0x7f.1",
      "0X7F000001",
      "2130706433",
      "host.123",
      "ho*st",
      `${"a".repeat(64)}.b`,
      "a.".repeat(127) + "b"
    ],
    "uses plain http, which is allowed for loopback addresses only": [
      "http://host",
      "http://10.0.0.1",
      "http://128.0.0.1",
      "http://127.host",
      "http://localhost.host",
      "http://xlocalhost",
      "http://[::2]",
      "http://[::ffff:10.0.0.1]"
    ]
  }
  for (const [rule, texts] of Object.entries(bad)) {
    it(`that ${rule} is refused and not quoted`, () => {
      for (const text of texts) {
        const result = parseEndpoint(text, "The setting")
        if (Result.isSuccess(result)) assert.fail(`${JSON.stringify(text)} was taken`)
        else {
          assert.strictEqual(result.failure._tag, "InvalidEndpoint")
          assert.strictEqual(
            result.failure.message,
            `The setting ${rule}. Give it as https://host or host:port.`,
            JSON.stringify(text)
          )
        }
      }
    })
  }

  it("names the workspace by the first label, and has none for an IPv6 address", () => {
    const id = (text: string) => workspaceId(Result.getOrThrow(parseEndpoint(text, "The endpoint")))
    assert.deepStrictEqual(["1234.zerobus.example", "single", "[::1]", "10.0.0.1"].map(id), [
      "1234",
      "single",
      "local",
      "10"
    ])
  })
})
