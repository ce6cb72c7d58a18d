/**
 * Turns the client's settings into what a gRPC channel needs: target, TLS context, keepalive, proxy, user agent.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls"
import { InvalidArgument, type InvalidEndpoint } from "../ZerobusError.ts"
import type { TlsOptions, ZerobusOptions } from "../ZerobusOptions.ts"
import { parseEndpoint } from "./endpoint.ts"

/** What a channel is made of. */
export interface ChannelSettings {
  readonly target: string
  readonly credentials: Grpc.ChannelCredentials
  readonly options: Grpc.ChannelOptions
}

const invalid = (option: string, message: string) => new InvalidArgument({ message, path: option.split(".") })

/** The product in front of an application's own name in the user agent. */
const PRODUCT = "effect-zerobus"

/** Checks the settings that concern the channel and puts them together. */
export const channelSettings = (
  options: ZerobusOptions
): Result.Result<ChannelSettings, InvalidEndpoint | InvalidArgument> =>
  Result.gen(function*() {
    const endpoint = yield* parseEndpoint(options.serverEndpoint, "The Zerobus endpoint")
    const application = options.applicationName?.trim() ?? ""
    if (!/^[\x21-\x7e]*( [\x21-\x7e]+)*$/.test(application)) {
      return yield* Result.fail(invalid("applicationName", "The option applicationName must be printable ASCII."))
    }
    const credentials = endpoint.secure
      ? Grpc.credentials.createFromSecureContext(yield* secureContext(options.tls))
      : Grpc.credentials.createInsecure()
    const keepalive = options.keepalive === "off" ? undefined : options.keepalive ?? {}
    return {
      target: `${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`,
      credentials,
      options: {
        // Every client has its own connection: what is shared is decided by who shares a client.
        "grpc.use_local_subchannel_pool": 1,
        "grpc.enable_retries": 0,
        "grpc.max_send_message_length": -1,
        "grpc.primary_user_agent": application === "" ? PRODUCT : `${PRODUCT} ${application}`,
        "grpc.service_config_disable_resolution": 1,
        "grpc.initial_reconnect_backoff_ms": 100,
        ...(keepalive === undefined ? {} : {
          "grpc.keepalive_time_ms": Duration.toMillis(keepalive.interval ?? "20 seconds"),
          "grpc.keepalive_timeout_ms": Duration.toMillis(keepalive.timeout ?? "10 seconds")
        }),
        "grpc.enable_http_proxy": options.proxy === undefined ? 1 : 0
      }
    }
  })

/** The operating system's certificates, the bundled ones and the user's own: corporate inspection proxies live in the first. */
export const trustedCertificates = (tls: TlsOptions | undefined): Array<string> => {
  const own = tls?.ca === undefined ? [] : typeof tls.ca === "string" ? [tls.ca] : tls.ca
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...own])]
}

/** A TLS context of the settings; a certificate or key that cannot be read is an `InvalidArgument`. */
export const secureContext = (tls: TlsOptions | undefined): Result.Result<SecureContext, InvalidArgument> => {
  try {
    return Result.succeed(createSecureContext({
      ca: trustedCertificates(tls),
      minVersion: tls?.minVersion ?? "TLSv1.2",
      ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls?.key === undefined ? {} : { key: Redacted.value(tls.key) })
    }))
  } catch {
    // OpenSSL's text may quote the input.
    return Result.fail(invalid("tls", "The option tls has a certificate or key that is not valid PEM, or the two do not belong together."))
  }
}
