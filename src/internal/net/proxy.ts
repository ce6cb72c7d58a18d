/**
 * The proxy for a host, if any: from the client's setting, or from the usual environment variables.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidArgument } from "../../ZerobusError.ts"
import type { Route } from "./connector.ts"
import { authorityOf, type Endpoint } from "./endpoint.ts"
import { isLoopback } from "./loopback.ts"
import { bypasses } from "./proxyBypass.ts"

/** A proxy that is used by CONNECT. */
export interface Proxy {
  /** The option or variable that names it, such as `https_proxy`. */
  readonly source: string
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** The value of `proxy-authorization`, if the proxy's URL has credentials. */
  readonly authorization: Redacted.Redacted<string> | undefined
}

/** The source of a proxy that the client's settings name. */
const OPTION = "proxy"

/** The proxy as named in messages, with the setting to change. */
export const proxyName = (proxy: Proxy): string =>
  `the proxy ${authorityOf(proxy)} (set by ` +
  `${proxy.source === OPTION ? "the option proxy" : proxy.source})`

/**
 * The variables for a protocol, in order. Those of gRPC apply to gRPC only, as in gRPC's own
 * libraries. `http_proxy` applies if no other is set, so that tokens and records take the same
 * path.
 */
const variables = {
  "h2": {
    proxy: ["grpc_proxy", "https_proxy", "http_proxy"],
    bypass: ["no_grpc_proxy", "no_proxy"]
  },
  "http/1.1": { proxy: ["https_proxy", "http_proxy"], bypass: ["no_proxy"] }
} as const satisfies Record<Route["protocol"], unknown>

const read = (name: string): Effect.Effect<string | undefined> =>
  Config.String(name).pipe(
    Effect.map((value) => (value.trim() === "" ? undefined : value.trim())),
    Effect.orElseSucceed(() => undefined)
  )

/**
 * The first of these variables that is set and not blank. Lower case comes before upper case, as in
 * curl.
 */
const firstSet = (
  names: ReadonlyArray<string>
): Effect.Effect<{ readonly name: string; readonly value: string } | undefined> =>
  Effect.gen(function* () {
    // A server that runs CGI programs stores a client's Proxy header in HTTP_PROXY.
    const cgi = (yield* read("REQUEST_METHOD")) !== undefined
    for (const name of names.flatMap((name) => [name, name.toUpperCase()])) {
      if (cgi && name === "HTTP_PROXY") continue
      const value = yield* read(name)
      if (value !== undefined) return { name, value }
    }
    return undefined
  })

/**
 * Parses a proxy's URL. `source` names the setting or variable. The URL may hold a password, so it
 * is never quoted.
 */
export const parseProxy = (url: string, source: string): Effect.Effect<Proxy, InvalidArgument> =>
  Effect.suspend(() => {
    const refuse = (rule: string) =>
      Effect.fail(
        new InvalidArgument({
          message: `${source} ${rule}. Give it as http://[user:password@]host:port.`,
          path: [source]
        })
      )
    const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`
    if (!URL.canParse(text)) return refuse("is not a proxy URL")
    const parsed = new URL(text)
    if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
      return refuse("has a scheme that is not http or https")
    const secure = parsed.protocol === "https:"
    let credentials: string
    try {
      credentials = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`
    } catch {
      return refuse("has credentials that are not percent-encoded")
    }
    return Effect.succeed({
      source,
      secure,
      host: parsed.hostname.replace(/^\[|\]$/g, ""),
      port: parsed.port === "" ? (secure ? 443 : 80) : Number(parsed.port),
      authorization:
        parsed.username === "" && parsed.password === ""
          ? undefined
          : Redacted.make(`Basic ${Buffer.from(credentials, "utf8").toString("base64")}`)
    })
  })

/**
 * The proxy for the endpoint, or `undefined`. A setting of the client takes precedence over the
 * environment and its bypass lists. Loopback ignores the environment and is reached directly, since
 * a proxy would connect to its own machine.
 */
export const proxyFor = (
  endpoint: Endpoint,
  setting: Redacted.Redacted<string> | false | undefined,
  protocol: Route["protocol"]
): Effect.Effect<Proxy | undefined, InvalidArgument> =>
  Effect.gen(function* () {
    if (setting === false) return undefined
    if (setting !== undefined) return yield* parseProxy(Redacted.value(setting), OPTION)
    if (isLoopback(endpoint.host)) return undefined
    const { bypass, proxy } = variables[protocol]
    const found = yield* firstSet(proxy)
    if (found === undefined) return undefined
    const list = yield* firstSet(bypass)
    if (list !== undefined && bypasses(list.value, endpoint)) return undefined
    return yield* parseProxy(found.value, found.name)
  })
