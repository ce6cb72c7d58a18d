/**
 * The HTTP/2 stream and session below a call of grpc-js. grpc-js does not hand them out, and
 * reports neither the pings nor the GOAWAY of a session, so they are looked up inside a call. Where
 * a version of grpc-js hides them, there are no pings and no notice of a GOAWAY, and streams
 * recover when the connection is lost.
 */
import type * as Grpc from "@grpc/grpc-js"
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2"

type Call = Grpc.ClientDuplexStream<Buffer, Buffer>

/** The inside of grpc-js's calls, as far as it is followed. Everything may be missing. */
interface Inside {
  readonly call?: Inside | null
  readonly child?: Inside | null
  /** The attempts of a call that may be retried, and which of them was decided for. */
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
 * The HTTP/2 stream of a call that no other attempt can take the place of; undefined before it is
 * connected or where it is not found.
 */
export const committedStreamOf = (call: Call): ClientHttp2Stream | undefined => find(call, -1)

/** The HTTP/2 session of a call; undefined before it is connected or where it is not found. */
export const sessionOf = (call: Call): ClientHttp2Session | undefined => {
  const session = find(call, 0)?.session as ClientHttp2Session | undefined
  return typeof session?.ping === "function" ? session : undefined
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
