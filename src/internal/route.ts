/**
 * Puts together how an endpoint is reached: proxy and TLS context of the client's settings.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { X509Certificate } from "node:crypto"
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls"
import { InvalidArgument } from "../ZerobusError.ts"
import type { TlsOptions, ZerobusOptions } from "../ZerobusOptions.ts"
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
    const proxy = yield* proxyFor(endpoint, options.proxy)
    const context = endpoint.secure || proxy?.secure === true ? yield* secureContext(options.tls) : undefined
    return { endpoint, proxy, secureContext: context, protocol }
  })

/** The operating system's certificates, the bundled ones and the user's own: corporate inspection proxies live in the first. */
const trustedCertificates = (tls: TlsOptions | undefined): Array<string> => [
  ...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...ownAuthorities(tls)])
]

const ownAuthorities = (tls: TlsOptions | undefined): ReadonlyArray<string> =>
  tls?.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : tls.ca

const secureContext = (tls: TlsOptions | undefined): Effect.Effect<SecureContext, InvalidArgument> =>
  Effect.try({
    try: () => {
      // An authority that cannot be read would be passed over silently, and one half of a pair not be used.
      for (const ca of ownAuthorities(tls)) new X509Certificate(ca)
      if ((tls?.cert === undefined) !== (tls?.key === undefined)) throw new Error("half a pair")
      return createSecureContext({
        ca: trustedCertificates(tls),
        minVersion: tls?.minVersion ?? "TLSv1.2",
        ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls?.key === undefined ? {} : { key: Redacted.value(tls.key) })
      })
    },
    // OpenSSL's text may quote the input.
    catch: () =>
      new InvalidArgument({
        message:
          "The option tls has a certificate or key that is not valid PEM, or cert and key do not belong together.",
        path: ["tls"]
      })
  })
