/**
 * The HTTP/2 session below a call of grpc-js. grpc-js does not hand it out, and reports neither the
 * pings nor the GOAWAY of a session, so it is looked up inside a call. Where a version of grpc-js hides
 * it, there are no pings and no notice of a GOAWAY, and streams recover when the connection is lost.
 */
import type * as Grpc from "@grpc/grpc-js"
import { type ClientHttp2Session, constants } from "node:http2"

/** The inside of grpc-js's calls, as far as it is followed. Everything may be missing. */
interface Inside {
  readonly call?: Inside | null
  readonly child?: Inside | null
  readonly underlyingCalls?: ReadonlyArray<{ readonly call?: Inside }>
  readonly http2Stream?: { readonly session?: ClientHttp2Session }
}

/** The HTTP/2 session that carries a call; undefined before it is connected or where it is not found. */
export const sessionOf = (call: Grpc.ClientDuplexStream<Buffer, Buffer>): ClientHttp2Session | undefined => {
  let layer = call.call as Inside | null | undefined
  for (let depth = 0; layer !== undefined && layer !== null && depth < 8; depth++) {
    const session = layer.http2Stream?.session
    if (session !== undefined) return typeof session.ping === "function" ? session : undefined
    layer = layer.underlyingCalls?.[0]?.call ?? layer.child ?? layer.call
  }
  return undefined
}

/** Who is told of a GOAWAY, by session: one listener of the session serves all its calls. */
const told = new WeakMap<ClientHttp2Session, Set<() => void>>()

/**
 * Calls the listener each time that the server announces the end of the session without an error
 * (GOAWAY with NO_ERROR). Gives what ends that.
 */
export const onGoAway = (session: ClientHttp2Session, listener: () => void): (() => void) => {
  const listeners = told.get(session) ?? new Set()
  if (!told.has(session)) {
    told.set(session, listeners)
    session.on("goaway", (code: number) => {
      if (code === constants.NGHTTP2_NO_ERROR) for (const each of listeners) each()
    })
  }
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
