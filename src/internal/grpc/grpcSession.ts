/**
 * Finds the HTTP/2 stream and session of a grpc-js call. grpc-js does not expose them, and reports
 * neither the pings nor the GOAWAY of a session, so they are looked up inside a call. If a version
 * of grpc-js hides them, there are no pings and no notice of a GOAWAY; streams recover when the
 * connection is lost.
 */
import type * as Grpc from "@grpc/grpc-js"
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2"

type Call = Grpc.ClientDuplexStream<Buffer, Buffer>

/** The internals of grpc-js calls that are followed here. Every part may be missing. */
interface Inside {
  readonly call?: Inside | null
  readonly child?: Inside | null
  /** The attempts of a call that may be retried, and the index of the committed one. */
  readonly underlyingCalls?: ReadonlyArray<{ readonly call?: Inside }>
  readonly committedCallIndex?: number | null
  readonly http2Stream?: ClientHttp2Stream
}

const find = (call: Call, undecided: number): ClientHttp2Stream | undefined => {
  let layer = call.call as Inside | null | undefined
  for (let depth = 0; layer !== undefined && layer !== null && depth < 8; depth++) {
    if (layer.http2Stream !== undefined) return layer.http2Stream
    const { committedCallIndex, underlyingCalls } = layer
    layer =
      underlyingCalls === undefined
        ? (layer.child ?? layer.call)
        : underlyingCalls[committedCallIndex ?? undecided]?.call
  }
  return undefined
}

/**
 * The HTTP/2 stream of a call, once no other attempt can replace it; undefined before it is
 * connected or when it is not found.
 */
export const committedStreamOf = (call: Call): ClientHttp2Stream | undefined => find(call, -1)

/** The HTTP/2 session of a call; undefined before it is connected or when it is not found. */
export const sessionOf = (call: Call): ClientHttp2Session | undefined => {
  const session = find(call, 0)?.session as ClientHttp2Session | undefined
  return typeof session?.ping === "function" ? session : undefined
}

/** GOAWAY listeners by session: one listener of the session serves all its calls. */
const told = new WeakMap<ClientHttp2Session, Set<() => void>>()

/**
 * Calls the listener each time the server announces the end of the session without an error (GOAWAY
 * with NO_ERROR). Returns how to remove the listener.
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
