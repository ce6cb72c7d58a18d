/**
 * Combines how an endpoint is reached: the proxy and TLS settings of the client.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHash, X509Certificate } from "node:crypto"
import { createSecureContext, getCACertificates } from "node:tls"
import { toStreamFailure } from "../../HeadersProvider.ts"
import { InvalidArgument } from "../../ZerobusError.ts"
import { type TlsOptions, tlsProblem, type ZerobusOptions } from "../../ZerobusOptions.ts"
import { apart } from "../userCode/apart.ts"
import { ConnectFailure, type Route, type Security } from "./connector.ts"
import type { Endpoint } from "./endpoint.ts"
import { proxyFor } from "./proxy.ts"

/** The route to an endpoint under the client's settings. */
export const routeTo = <R = never>(
  endpoint: Endpoint,
  options: Pick<ZerobusOptions<R>, "proxy" | "tls">,
  protocol: Route["protocol"]
): Effect.Effect<Route, InvalidArgument, R> =>
  Effect.gen(function* () {
    const { tls } = options
    const proxy = yield* proxyFor(endpoint, options.proxy, protocol)
    const secure = endpoint.secure || proxy?.secure === true
    if (Effect.isEffect(tls)) {
      const services = yield* Effect.context<R>()
      const security = perConnection(Effect.provideContext(tls, services))
      return { endpoint, proxy, security: secure ? security : undefined, protocol }
    }
    // Created even if not needed, so that invalid settings are refused for a plain endpoint too.
    const security = secure || tls !== undefined ? yield* securityOf(tls) : undefined
    return { endpoint, proxy, security: secure ? security : undefined, protocol }
  })

/** How long the effect of the option tls may take, in milliseconds. */
const settingsLimit = 30_000

/**
 * Runs the effect for each connection. Equal settings return the previous object. That saves
 * reading the system's certificates again, and TLS sessions of other settings are never resumed.
 */
const perConnection = (
  settings: Effect.Effect<TlsOptions, unknown>
): ((signal: AbortSignal | undefined) => Promise<Security>) => {
  let latest: { readonly key: string; readonly security: Security } | undefined
  const unusable = (message: string) =>
    new ConnectFailure({ message: message.replace(/\.$/, ""), code: "TLS_SETTINGS", tls: false })
  const made = apart(settings).pipe(
    Effect.catchDefect(Effect.fail),
    Effect.mapError((error) =>
      unusable(toStreamFailure(error, "effect of the option tls").message)
    ),
    Effect.timeoutOrElse({
      duration: settingsLimit,
      orElse: () =>
        Effect.fail(unusable(`The effect of the option tls took longer than ${settingsLimit} ms`))
    }),
    Effect.flatMap((tls) => {
      const problem = tlsProblem(tls)
      if (problem !== undefined) return Effect.fail(unusable(problem.message))
      const key = keyOf(tls)
      if (latest?.key === key) return Effect.succeed(latest.security)
      return securityOf(tls).pipe(
        Effect.mapError(({ message }) => unusable(message)),
        Effect.tap((security) => Effect.sync(() => void (latest = { key, security })))
      )
    })
  )
  return (signal) => Effect.runPromise(made, signal === undefined ? {} : { signal })
}

/** Identifies settings without keeping a private key. */
const keyOf = ({ ca, cert, key, minVersion, serverName }: TlsOptions): string =>
  createHash("sha256")
    .update(JSON.stringify([ca, cert, key && Redacted.value(key), minVersion, serverName]))
    .digest("base64")

/**
 * The operating system's certificates, the bundled ones and the user's own. Certificates of
 * corporate inspection proxies are in the operating system's store.
 */
const trustedCertificates = (tls: TlsOptions | undefined): Array<string> => [
  ...new Set([
    ...getCACertificates("default"),
    ...getCACertificates("system"),
    ...ownAuthorities(tls)
  ])
]

const ownAuthorities = (tls: TlsOptions | undefined): ReadonlyArray<string> =>
  tls?.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : tls.ca

const refuse = (option: string, rule: string): InvalidArgument =>
  new InvalidArgument({ message: `The option ${option} ${rule}.`, path: option.split(".") })

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

const securityOf = (tls: TlsOptions | undefined): Effect.Effect<Security, InvalidArgument> =>
  Effect.gen(function* () {
    // Node would ignore an unreadable authority, and half of a key pair, without an error.
    if (!ownAuthorities(tls).every(isCertificate))
      return yield* refuse("tls.ca", "is not a certificate in PEM form")
    if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
      return yield* refuse("tls", "has only one of cert and key. Give both or none")
    }
    if (tls?.cert !== undefined && !isCertificate(tls.cert)) {
      return yield* refuse("tls.cert", "is not a certificate in PEM form")
    }
    const context = yield* Effect.try({
      try: () =>
        createSecureContext({
          ca: trustedCertificates(tls),
          minVersion: tls?.minVersion ?? "TLSv1.2",
          ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
          ...(tls?.key === undefined ? {} : { key: Redacted.value(tls.key) })
        }),
      // OpenSSL's text may quote the input.
      catch: () => refuse("tls.key", "is not a private key in PEM form, or not that of tls.cert")
    })
    return { context, serverName: tls?.serverName }
  })
