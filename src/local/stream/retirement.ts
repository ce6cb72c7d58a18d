/**
 * The call that retires a persistent stream on the server: one request, one empty response. It has
 * the interface of a stream.
 */
import { invalidArgument, printable, tableNotFound } from "./serverStatus.ts"
import { openProblem } from "./streamChecks.ts"
import type { Peer, StreamHost } from "./streamContract.ts"
import { readRetirement } from "./streamMessages.ts"
import type { ServerStream } from "./serverStream.ts"

/**
 * Starts the retirement for an authorised call with `tableName` in its header. Retiring a stream
 * again succeeds.
 */
export const startRetirement = (host: StreamHost, peer: Peer, tableName: string): ServerStream => {
  let requested = false
  const refuse = (text: string, state: number) => peer.finish(invalidArgument(text, 4016, state))
  return {
    receive: (bytes) => {
      if (requested) return
      requested = true
      const request = readRetirement(bytes)
      if (request === undefined) return refuse("The request is not a valid protobuf message", 1)
      if (request.tableName !== tableName) {
        const named = printable(request.tableName ?? "")
        return refuse(`The request names the table ${named}, the header ${tableName}`, 2)
      }
      const { streamId } = request
      if (streamId === undefined || streamId === "")
        return refuse("The request names no stream (stream_id)", 3)
      host.retire(tableName, streamId, (failure) => {
        if (failure !== undefined) {
          return peer.finish(
            failure._tag === "TableNotFound"
              ? tableNotFound(tableName)
              : openProblem(failure, tableName)
          )
        }
        peer.write(new Uint8Array(0))
        peer.finish(undefined)
      })
    },
    halfClosed: () => {
      if (!requested) refuse("The call holds no request", 4)
    },
    cancelled: () => {}
  }
}
