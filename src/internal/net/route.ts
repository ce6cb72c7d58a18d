/**
 * Puts together how an endpoint is reached: proxy and TLS context of the client's settings.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { X509Certificate } from "node:crypto"
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls"
import { InvalidArgument } from "../../ZerobusError.ts"
import type { TlsOptions, ZerobusOptions } from "../../ZerobusOptions.ts"
import type { Route } from "./connector.ts"
import type { Endpoint } from "./endpoint.ts"
import { proxyFor } from "./proxy.ts"

/** The route to an endpoint under the client's settings. */
export const routeTo = (
  endpoint: Endpoint,
  options: Pick<ZerobusOptions, "proxy" | "tls">,
  protocol: Route["protocol"]
): Effect.Effect<Route, InvalidArgument> =>
  Effect.gen(function* () {
    const proxy = yield* proxyFor(endpoint, options.proxy, protocol)
    const secure = endpoint.secure || proxy?.secure === true
    // Made also where it is not needed: settings that cannot be used are refused with a plain endpoint too.
    const context = secure || options.tls !== undefined ? yield* secureContext(options.tls) : undefined
    return { endpoint, proxy, secureContext: secure ? context : undefined, protocol }
  })

/** The operating system's certificates, the bundled ones and the user's own: corporate inspection proxies live in the first. */
const trustedCertificates = (tls: TlsOptions | undefined): Array<string> => [
  ...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...ownAuthorities(tls)])
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

const secureContext = (tls: TlsOptions | undefined): Effect.Effect<SecureContext, InvalidArgument> =>
  Effect.gen(function* () {
    // An authority that cannot be read would be passed over silently, and one half of a pair not be used.
    if (!ownAuthorities(tls).every(isCertificate)) return yield* refuse("tls.ca", "is not a certificate in PEM form")
    if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
      return yield* refuse("tls", "has only one of cert and key. Give both or none")
    }
    if (tls?.cert !== undefined && !isCertificate(tls.cert)) {
      return yield* refuse("tls.cert", "is not a certificate in PEM form")
    }
    return yield* Effect.try({
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
  })
