/**
 * Which proxy, if any, leads to a host: the client's setting, or the usual variables of the environment.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidArgument } from "../../ZerobusError.ts"
import type { Endpoint } from "./endpoint.ts"
import { isLoopback } from "./loopback.ts"

/** A proxy that is reached by CONNECT. */
export interface Proxy {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** The value of `proxy-authorization`, when the proxy's URL has credentials. */
  readonly authorization: Redacted.Redacted<string> | undefined
}

const variables = ["grpc_proxy", "https_proxy", "http_proxy"] as const
const bypassVariables = ["no_grpc_proxy", "no_proxy"] as const

const read = (name: string): Effect.Effect<string | undefined> =>
  Config.String(name).pipe(
    Effect.map((value) => (value.trim() === "" ? undefined : value.trim())),
    Effect.orElseSucceed(() => undefined)
  )

/** The first of these variables that is set and not blank: lower case before upper case, as curl has it. */
const firstSet = (
  names: ReadonlyArray<string>
): Effect.Effect<{ readonly name: string; readonly value: string } | undefined> =>
  Effect.gen(function* () {
    // A server that runs CGI programs puts a client's Proxy header into HTTP_PROXY.
    const cgi = (yield* read("REQUEST_METHOD")) !== undefined
    for (const name of names.flatMap((name) => [name, name.toUpperCase()])) {
      if (cgi && name === "HTTP_PROXY") continue
      const value = yield* read(name)
      if (value !== undefined) return { name, value }
    }
    return undefined
  })

/**
 * Whether a bypass list names the host: entries separated by commas or blanks, `*` for all, a name for itself and everything below it,
 * with or without a leading dot.
 */
export const bypasses = (list: string, host: string): boolean =>
  list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      // A port stands behind a bracket, or behind the only colon: an IPv6 address has more of them.
      const bare = entry.replace(/^\*?\./, "").replace(/^(\[.*\]|[^:]*):\d+$/, "$1")
      const name = bare.replace(/^\[|\]$/g, "")
      return entry === "*" || (name !== "" && (host === name || host.endsWith(`.${name}`)))
    })

/** Parses a proxy's URL; `source` names the setting or variable, and the URL itself, which may hold a password, is never quoted. */
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
 * The proxy that leads to the endpoint, or `undefined`. A setting of the client outranks the
 * environment and its bypass lists. The environment's proxy is for other hosts: loopback is reached
 * directly, since a proxy would connect to its own machine.
 */
export const proxyFor = (
  endpoint: Endpoint,
  setting: Redacted.Redacted<string> | false | undefined
): Effect.Effect<Proxy | undefined, InvalidArgument> =>
  Effect.gen(function* () {
    if (setting === false) return undefined
    if (setting !== undefined) return yield* parseProxy(Redacted.value(setting), "proxy")
    if (isLoopback(endpoint.host)) return undefined
    const found = yield* firstSet(variables)
    if (found === undefined) return undefined
    const bypass = yield* firstSet(bypassVariables)
    if (bypass !== undefined && bypasses(bypass.value, endpoint.host)) return undefined
    return yield* parseProxy(found.value, found.name)
  })
