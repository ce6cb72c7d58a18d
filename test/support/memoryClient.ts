/**
 * A client over the in-memory transport, and a server for it that calls back for each ingest
 * message.
 */
import { Effect, Layer } from "effect"
import { HeadersProvider, Zerobus } from "effect-zerobus"
import { createdResponse, readRequest } from "../../src/local/stream/streamMessages.ts"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"

/** The token that the client sends. */
export const token = "CANARYTOKEN12345"

/** Headers with the token. */
export const provider = Layer.succeed(
  HeadersProvider,
  HeadersProvider.make({ getHeaders: Effect.succeed({ authorization: `Bearer ${token}` }) })
)

/** A server that opens every stream and calls `onIngest` for each ingest message. */
export const ingestServer =
  (
    onIngest: (offset: number, records: number, peer: MemoryTransport.MemoryPeer) => void,
    opened: () => void = () => {}
  ): MemoryTransport.MemoryServer =>
  (_, peer) => ({
    receive: (bytes) => {
      const request = readRequest(bytes)
      if (request._tag === "Create") {
        opened()
        peer.write(createdResponse("session"))
      } else if (request._tag === "Ingest")
        onIngest(request.offset ?? -1, request.records.length, peer)
    },
    halfClosed: () => peer.finish(undefined),
    cancelled: () => {}
  })

/** The client on such a server. */
export const memoryClient = (memoryServer: MemoryTransport.MemoryServer) =>
  Zerobus.layerNoDeps.pipe(Layer.provide([MemoryTransport.layer(memoryServer), provider]))
