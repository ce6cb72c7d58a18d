/**
 * The proxy for a host: the effect of the variables and of the option, for each rule and at its
 * limits.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted, Result } from "effect"
import { parseEndpoint } from "../../../src/internal/net/endpoint.ts"
import { parseProxy, type Proxy, proxyFor, proxyName } from "../../../src/internal/net/proxy.ts"

type Environment = Readonly<Record<string, string>>

const endpoint = (text = "https://1.zerobus.example.com") =>
  Result.getOrThrow(parseEndpoint(text, "The endpoint"))

const inEnvironment = <A, E>(env: Environment, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(effect, ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))

/** `host:port` of the proxy for the endpoint. */
const leads = (
  env: Environment,
  setting?: Redacted.Redacted<string> | false,
  to = endpoint(),
  protocol: "h2" | "http/1.1" = "h2"
) =>
  Effect.map(inEnvironment(env, proxyFor(to, setting, protocol)), (proxy) =>
    proxy === undefined ? undefined : `${proxy.host}:${proxy.port}`
  )

const parsed = (url: string) => Effect.map(parseProxy(url, "proxy"), shown)
const shown = ({ authorization, host, port, secure }: Proxy) => ({
  secure,
  host,
  port,
  ...(authorization === undefined ? {} : { authorization: Redacted.value(authorization) })
})
const basic = (text: string) => `Basic ${Buffer.from(text, "utf8").toString("base64")}`

describe("a proxy's URL", () => {
  it.effect("has http and port 80 by default, https port 443", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<
        readonly [url: string, secure: boolean, host: string, port: number]
      > = [
        ["http://proxy.example:3128", false, "proxy.example", 3128],
        ["http://proxy.example", false, "proxy.example", 80],
        ["HTTP://proxy.example/", false, "proxy.example", 80],
        ["https://proxy.example", true, "proxy.example", 443],
        ["https://proxy.example:80", true, "proxy.example", 80],
        ["http://proxy.example:443", false, "proxy.example", 443],
        ["proxy.example:3128", false, "proxy.example", 3128],
        ["proxy.example", false, "proxy.example", 80],
        ["10.0.0.1:8080", false, "10.0.0.1", 8080],
        ["http://[::1]:3128", false, "::1", 3128],
        ["[2001:db8::2]:3128", false, "2001:db8::2", 3128]
      ]
      for (const [url, secure, host, port] of cases) {
        assert.deepStrictEqual(yield* parsed(url), { secure, host, port }, url)
      }
    })
  )

  it.effect("may have credentials: percent-encoded, a user alone, a password alone, in UTF-8", () =>
    Effect.gen(function* () {
      const cases = [
        ["http://user:password@p:1", "user:password"],
        ["user:password@p:1", "user:password"],
        ["http://user@p:1", "user:"],
        ["http://:password@p:1", ":password"],
        ["http://us%20er:p%40ss%3a%2f@p:1", "us er:p@ss:/"],
        ["http://b%C3%A4r:%E2%82%AC@p:1", "b\u00e4r:\u20ac"],
        ["http://b\u00e4r:\u20ac@p:1", "b\u00e4r:\u20ac"],
        // Not a scheme: it follows the user.
        ["user:a://b@p:1", undefined]
      ] as const
      for (const [url, credentials] of cases) {
        if (credentials === undefined) {
          assert.strictEqual((yield* Effect.flip(parseProxy(url, "proxy")))._tag, "InvalidArgument")
          continue
        }
        assert.strictEqual((yield* parsed(url)).authorization, basic(credentials), url)
      }
    })
  )

  it.effect(
    "is refused by what is wrong with it, under the name of the setting and without being quoted",
    () =>
      Effect.gen(function* () {
        const cases = [
          ["", "is not a proxy URL"],
          ["::", "is not a proxy URL"],
          ["http://", "is not a proxy URL"],
          ["http://canary:99999", "is not a proxy URL"],
          ["http://can ary", "is not a proxy URL"],
          ["socks5://user:canary@p:1", "has a scheme that is not http or https"],
          ["ftp://canary", "has a scheme that is not http or https"],
          ["http://canary%zz@p", "has credentials that are not percent-encoded"],
          ["http://u:canary%e4@p", "has credentials that are not percent-encoded"]
        ] as const
        for (const source of ["proxy", "HTTPS_PROXY"]) {
          for (const [url, rule] of cases) {
            const error = yield* Effect.flip(parseProxy(url, source))
            assert.strictEqual(
              error.message,
              `${source} ${rule}. Give it as http://[user:password@]host:port.`,
              url
            )
            assert.deepStrictEqual(error.path, [source])
          }
        }
      })
  )

  it.effect("is parsed as far as its scheme: no other text in front of one counts", () =>
    Effect.gen(function* () {
      // `x/http://p` has no scheme, so it is a host and a path.
      assert.deepStrictEqual(yield* parsed("x/http://p"), { secure: false, host: "x", port: 80 })
      assert.deepStrictEqual(yield* parsed("1http://p"), { secure: false, host: "1http", port: 80 })
    })
  )
})

describe("the setting", () => {
  it.effect("outranks the environment and its bypass lists, false for none", () =>
    Effect.gen(function* () {
      const env = { https_proxy: "http://env:1", no_proxy: "*" }
      assert.strictEqual(yield* leads(env, Redacted.make("http://own:2")), "own:2")
      assert.isUndefined(yield* leads({ https_proxy: "http://env:1" }, false))
      assert.strictEqual(yield* leads({ https_proxy: "http://env:1" }), "env:1")
      assert.isUndefined(yield* leads({}))
      const bad = yield* Effect.flip(leads({}, Redacted.make("ftp://p")))
      assert.deepStrictEqual(bad.path, ["proxy"])
    })
  )
})

describe("the variables", () => {
  it.effect(
    "are grpc_proxy, https_proxy and http_proxy, each in lower case first; blank is not set",
    () =>
      Effect.gen(function* () {
        const names = [
          "grpc_proxy",
          "GRPC_PROXY",
          "https_proxy",
          "HTTPS_PROXY",
          "http_proxy",
          "HTTP_PROXY"
        ]
        for (const [index, name] of names.entries()) {
          const left = Object.fromEntries(
            names.slice(index).map((each, n) => [each, `http://p:${index + n + 1}`])
          )
          assert.strictEqual(yield* leads(left), `p:${index + 1}`, name)
          // Alone, with blanks around it.
          assert.strictEqual(
            yield* leads({ [name]: `  http://p:${index + 1}\t` }),
            `p:${index + 1}`,
            name
          )
          assert.strictEqual(
            yield* leads({ ...left, [name]: " \t " }),
            index === 5 ? undefined : `p:${index + 2}`,
            name
          )
          // The error names this variable.
          const error = yield* Effect.flip(leads({ [name]: "ftp://p" }))
          assert.deepStrictEqual(error.path, [name])
          assert.match(error.message, new RegExp(`^${name} has a scheme`))
        }
        for (const other of ["Http_Proxy", "ALL_PROXY", "all_proxy"]) {
          assert.isUndefined(yield* leads({ [other]: "http://p:1" }), other)
        }
      })
  )

  it.effect(
    "of gRPC are for gRPC alone; requests for tokens and tables have https_proxy and http_proxy",
    () =>
      Effect.gen(function* () {
        const http = (env: Environment) => leads(env, undefined, endpoint(), "http/1.1")
        const [grpc_proxy, https_proxy, http_proxy] = ["http://p:1", "http://p:2", "http://p:3"]
        assert.isUndefined(yield* http({ grpc_proxy, GRPC_PROXY: grpc_proxy }))
        assert.strictEqual(yield* http({ grpc_proxy, http_proxy }), "p:3")
        assert.strictEqual(yield* http({ grpc_proxy, https_proxy, http_proxy }), "p:2")
        assert.strictEqual(yield* http({ https_proxy, no_grpc_proxy: "*" }), "p:2")
        assert.isUndefined(yield* http({ https_proxy, no_grpc_proxy: "other.org", no_proxy: "*" }))
        assert.isUndefined(yield* leads({ https_proxy, no_grpc_proxy: "*" }))
      })
  )

  it.effect("are named by the proxy that they give, as the option is", () =>
    Effect.gen(function* () {
      for (const name of ["grpc_proxy", "HTTPS_PROXY", "http_proxy"]) {
        const found = yield* inEnvironment(
          { [name]: "http://u:secret@p:1" },
          proxyFor(endpoint(), undefined, "h2")
        )
        assert.strictEqual(proxyName(found!), `the proxy p:1 (set by ${name})`)
      }
      const own = yield* inEnvironment(
        {},
        proxyFor(endpoint(), Redacted.make("http://[::1]:2"), "h2")
      )
      assert.strictEqual(proxyName(own!), "the proxy [::1]:2 (set by the option proxy)")
    })
  )

  it.effect(
    "leave HTTP_PROXY out for a CGI program, whose caller may have set it, and no other",
    () =>
      Effect.gen(function* () {
        const cgi = { REQUEST_METHOD: "GET" }
        assert.isUndefined(yield* leads({ HTTP_PROXY: "http://p:1", ...cgi }))
        assert.strictEqual(yield* leads({ HTTP_PROXY: "http://p:1" }), "p:1")
        assert.strictEqual(yield* leads({ HTTP_PROXY: "http://p:1", REQUEST_METHOD: " " }), "p:1")
        for (const name of [
          "grpc_proxy",
          "GRPC_PROXY",
          "https_proxy",
          "HTTPS_PROXY",
          "http_proxy"
        ]) {
          assert.strictEqual(yield* leads({ [name]: "http://p:1", ...cgi }), "p:1", name)
        }
        assert.isUndefined(
          yield* leads({ https_proxy: "http://p:1", NO_PROXY: "example.com", ...cgi })
        )
      })
  )

  it.effect(
    "of the bypass are no_grpc_proxy and no_proxy: the first that is set decides alone",
    () =>
      Effect.gen(function* () {
        const names = ["no_grpc_proxy", "NO_GRPC_PROXY", "no_proxy", "NO_PROXY"]
        for (const [index, name] of names.entries()) {
          const proxy = { https_proxy: "http://p:1" }
          assert.isUndefined(yield* leads({ ...proxy, [name]: "example.com" }), name)
          assert.strictEqual(yield* leads({ ...proxy, [name]: "other.org" }), "p:1", name)
          const later = Object.fromEntries(
            names.slice(index + 1).map((each) => [each, "example.com"])
          )
          assert.strictEqual(yield* leads({ ...proxy, ...later, [name]: "other.org" }), "p:1", name)
          if (index < 3) assert.isUndefined(yield* leads({ ...proxy, ...later, [name]: " " }), name)
        }
      })
  )

  it.effect("are for other hosts than loopback, which only the setting sends through a proxy", () =>
    Effect.gen(function* () {
      const env = { grpc_proxy: "http://p:1", https_proxy: "http://p:2", http_proxy: "http://p:3" }
      const own = Redacted.make("http://own:2")
      for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "[::1]", "[::ffff:127.0.0.1]"]) {
        for (const url of [`https://${host}:8443`, `http://${host}`]) {
          assert.isUndefined(yield* leads(env, undefined, endpoint(url)), url)
          assert.strictEqual(yield* leads(env, own, endpoint(url)), "own:2", url)
        }
      }
      for (const host of ["128.0.0.1", "a.localhost", "[::2]"]) {
        assert.strictEqual(yield* leads(env, undefined, endpoint(`https://${host}`)), "p:1", host)
      }
    })
  )

  it.effect("of the bypass are compared with the endpoint's host, an address too", () =>
    Effect.gen(function* () {
      const env = (list: string) => ({ https_proxy: "http://p:1", no_proxy: list })
      assert.isUndefined(
        yield* leads(env("2001:db8::1"), undefined, endpoint("https://[2001:db8::1]:8443"))
      )
      assert.isUndefined(yield* leads(env("10.0.0.1"), undefined, endpoint("https://10.0.0.1")))
      assert.strictEqual(
        yield* leads(env("10.0.0.1"), undefined, endpoint("https://10.0.0.11")),
        "p:1"
      )
      assert.isUndefined(
        yield* leads(env("10.0.0.0/8"), undefined, endpoint("https://10.200.3.4:8443"))
      )
      assert.isUndefined(yield* leads(env("zerobus.example.com:443")))
      assert.strictEqual(yield* leads(env("zerobus.example.com:8443")), "p:1")
    })
  )
})
