/**
 * The RPCs of the server by name, and the function that handles a call of each. On the wire, a
 * unary call is a stream with one message in each direction.
 */
import { startRetirement } from "./retirement.ts"
import { type ServerStream, startArrowStream, startStream } from "./serverStream.ts"
import type { Peer, StreamHost } from "./streamContract.ts"

/** Starts handling an authorised call with this table in its header. */
export type StartCall = (host: StreamHost, peer: Peer, tableName: string) => ServerStream

/** The handlers by RPC. */
export const rpcs = {
  EphemeralStream: (host, peer, tableName) => startStream(host, peer, tableName),
  PersistentStream: (host, peer, tableName) => startStream(host, peer, tableName, true),
  RetireStream: startRetirement,
  DoPut: startArrowStream
} as const satisfies Readonly<Record<string, StartCall>>

/** The name of an RPC. */
export type RpcName = keyof typeof rpcs
