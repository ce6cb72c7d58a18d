/**
 * Converts the end of a call to a `TransportFailure`. grpc-js reports a lost connection as a status
 * like any other. Only its text shows that no status came from the server. `grpcTexts.test.ts` has
 * a row for each text, so a version of grpc-js that rewords one fails there.
 */
import * as Grpc from "@grpc/grpc-js"
import { TransportFailure } from "../../Transport.ts"
import { type ConnectFailure, unreachedHop } from "../net/connector.ts"
import type { Proxy } from "../net/proxy.ts"
import { TOO_MANY_PINGS } from "./grpcPings.ts"
import { unreadable } from "./grpcReplies.ts"

/** The prefix of grpc-js before the reason why a connection could not be made. */
const NOT_CONNECTED = "No connection established"

/** The text of grpc-js when the host of the first hop has no address. */
const NOT_RESOLVED = "Name resolution failed"

/** Prefixes of grpc-js when no status came from the server. */
export const LOCAL_TEXTS: ReadonlyArray<string> = [
  NOT_CONNECTED,
  NOT_RESOLVED,
  "Connection dropped",
  "Stream refused",
  "Received RST_STREAM",
  "read E",
  "write E",
  "Write error: ",
  "Write failed with error ",
  "Failed to start HTTP/2 stream"
]

/** Whether a text begins with one of these prefixes. */
const begins = (details: string): boolean => LOCAL_TEXTS.some((text) => details.startsWith(text))

/**
 * Removes grpc-js's own details from a text: time stamps, notes on name resolution, nested
 * prefixes.
 */
const plainly = (details: string): string =>
  details
    .replace(/ Resolution note:.*$/s, "")
    .replace(new RegExp(`^${NOT_CONNECTED}\\. Last error: (Error: )?`), "")
    .replace(/ ?\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, "")
    .replace(/[.\s]+$/, "")

/** Interprets a text of grpc-js as the loss of a connection, or of its first hop. */
const disconnected = (details: string, proxy: Proxy | undefined): TransportFailure => {
  const isUnreached = details.startsWith(NOT_CONNECTED) || details.startsWith(NOT_RESOLVED)
  return TransportFailure.Disconnected({
    message: unreachedHop(isUnreached ? proxy : undefined, plainly(details))
  })
}

/**
 * Converts a status other than OK to the failure of its call. `refused` is the reason noted by the
 * client itself, if the connection could not be made or was given up. `proxy` is the proxy on the
 * way to the server.
 */
export const toFailure = (
  {
    code,
    details = "",
    metadata
  }: Partial<Grpc.StatusObject> & Pick<Grpc.StatusObject, "code" | "metadata">,
  refused: ConnectFailure | undefined,
  proxy: Proxy | undefined
): TransportFailure => {
  const message = unreadable(code, details)
  if (message !== undefined) return TransportFailure.Unreadable({ message })
  // A server that refuses pings may also reset the calls, which grpc-js reports as
  // RESOURCE_EXHAUSTED.
  if (refused?.code === TOO_MANY_PINGS)
    return TransportFailure.Disconnected({ message: refused.message })
  if ((code === Grpc.status.UNAVAILABLE || code === Grpc.status.INTERNAL) && begins(details)) {
    if (refused === undefined) return disconnected(details, proxy)
    const { code, message, tls } = refused
    return tls
      ? TransportFailure.TlsRefused({ message, code })
      : TransportFailure.Disconnected({ message })
  }
  const binary = metadata.get("grpc-status-details-bin")[0]
  return TransportFailure.Status({
    code,
    message: details,
    details: binary === undefined || typeof binary === "string" ? undefined : new Uint8Array(binary)
  })
}
