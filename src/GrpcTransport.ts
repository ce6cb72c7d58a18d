/**
 * The transport over gRPC. The only module of the client that touches `@grpc/grpc-js`; its objects do not leave it.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import { channelSettings } from "./internal/grpcChannel.ts"
import { Transport, type TransportCall, TransportFailure } from "./Transport.ts"
import type { InvalidArgument, InvalidEndpoint } from "./ZerobusError.ts"
import type { ZerobusOptions } from "./ZerobusOptions.ts"

const METHOD = "/databricks.zerobus.Zerobus/EphemeralStream"

const identity = (bytes: Buffer): Buffer => bytes

/**
 * A transport to `serverEndpoint` over gRPC and HTTP/2. Each call has a connection of its own unless `connectionPerStream` is false.
 * Fails with `InvalidEndpoint`, or with `InvalidArgument` for TLS, proxy or application settings that cannot be used.
 */
export const layer = (options: ZerobusOptions): Layer.Layer<Transport, InvalidEndpoint | InvalidArgument> =>
  Layer.effect(
    Transport,
    Effect.gen(function*() {
      const settings = channelSettings(options)
      if (Result.isFailure(settings)) return yield* settings.failure
      const { credentials, options: channelOptions, target } = settings.success
      const connect = Effect.acquireRelease(
        Effect.sync(() => new Grpc.Client(target, credentials, channelOptions)),
        (client) => Effect.sync(() => client.close())
      )
      const shared = options.connectionPerStream === false ? yield* connect : undefined
      return {
        open: Effect.fnUntraced(function*(headers) {
          return yield* openCall(shared ?? (yield* connect), headers)
        })
      }
    })
  )

const openCall = Effect.fnUntraced(function*(client: Grpc.Client, headers: Readonly<Record<string, string>>) {
  const metadata = new Grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const responses = yield* Queue.unbounded<Uint8Array, TransportFailure | Cause.Done>()
  const writable = Latch.makeUnsafe(true)
  let sent = 0
  let onSent: (() => void) | undefined
  const written = (error: Error | null | undefined): void => {
    if (error) return
    sent++
    onSent?.()
  }
  const call = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const call = client.makeBidiStreamRequest(METHOD, identity, identity, metadata)
      call.on("data", (bytes: Buffer) => {
        Queue.offerUnsafe(responses, bytes)
      })
      call.on("drain", () => {
        writable.openUnsafe()
      })
      call.on("status", (status: Grpc.StatusObject) => {
        if (status.code === Grpc.status.OK) Queue.endUnsafe(responses)
        else Queue.failCauseUnsafe(responses, Cause.fail(toFailure(status)))
        writable.openUnsafe()
      })
      // A call emits the status as an error too, also after cancel(); without a listener that would end the process.
      call.on("error", () => {})
      return call
    }),
    (call) =>
      Effect.sync(() => {
        call.cancel()
        Queue.shutdownUnsafe(responses)
        onSent = undefined
      })
  )
  const opened: TransportCall = {
    sendUnsafe: (request) => {
      // grpc-js copies with the methods of Buffer; a view costs nothing.
      const bytes = Buffer.isBuffer(request) ? request : Buffer.from(request.buffer, request.byteOffset, request.byteLength)
      const more = call.write(bytes, written)
      if (!more) writable.closeUnsafe()
      return more
    },
    writable: writable.await,
    sentUnsafe: () => sent,
    onSentUnsafe: (listener) => {
      onSent = listener
    },
    halfClose: Effect.sync(() => {
      call.end()
    }),
    responses: Queue.asDequeue(responses)
  }
  return opened
})

/** What Node and OpenSSL say when a handshake is refused; grpc-js passes only the text on. */
const tlsRefusals: ReadonlyArray<readonly [RegExp, string]> = [
  [/self[- ]signed certificate in certificate chain/i, "SELF_SIGNED_CERT_IN_CHAIN"],
  [/self[- ]signed certificate/i, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  [/certificate has expired/i, "CERT_HAS_EXPIRED"],
  [/certificate is not yet valid/i, "CERT_NOT_YET_VALID"],
  [/unable to verify the first certificate/i, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/unable to get (local )?issuer certificate/i, "UNABLE_TO_GET_ISSUER_CERT"],
  [/does not match certificate's altnames/i, "ERR_TLS_CERT_ALTNAME_INVALID"],
  [/certificate revoked/i, "CERT_REVOKED"],
  [/wrong version number|unsupported protocol|alert protocol version/i, "ERR_SSL_UNSUPPORTED_PROTOCOL"],
  [/alert (handshake failure|bad certificate|certificate required|unknown ca|certificate unknown)/i, "ERR_SSL_HANDSHAKE_REFUSED"]
]

const notFromServer = /^(No connection established|Connection dropped|Name resolution failed|Call ended without|read E|write E|connect E|Stream refused|Received RST_STREAM|Protocol error)/

const toFailure = (status: Grpc.StatusObject): TransportFailure => {
  const { code, details, metadata } = status
  if (code === Grpc.status.UNAVAILABLE || code === Grpc.status.INTERNAL) {
    const refusal = tlsRefusals.find(([text]) => text.test(details))
    if (refusal !== undefined && details.startsWith("No connection established")) {
      return TransportFailure.TlsRefused({ message: refusal[0].exec(details)![0], code: refusal[1] })
    }
    if (notFromServer.test(details)) return TransportFailure.Disconnected({ message: details })
  }
  const binary = metadata.get("grpc-status-details-bin")[0]
  return TransportFailure.Status({
    code,
    message: details,
    details: binary === undefined || typeof binary === "string" ? undefined : new Uint8Array(binary)
  })
}
