/**
 * A scripted server behind a real gRPC server on loopback, plain or with TLS.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { MemoryPeer, MemoryServer } from "../../src/testing/MemoryTransport.ts"
import type { Rpc } from "../../src/Transport.ts"
import { duplexMethod } from "./duplexMethod.ts"

const service = {
  EphemeralStream: duplexMethod("/databricks.zerobus.Zerobus/EphemeralStream"),
  DoPut: duplexMethod("/arrow.flight.protocol.FlightService/DoPut")
} satisfies Grpc.ServiceDefinition

/** A running server. */
export interface ScriptedGrpc {
  readonly port: number
  /**
   * The client's address of each call, in order. Calls over one connection have the same address.
   */
  readonly peers: ReadonlyArray<string>
}

/** Serves the scripted server on a free port of 127.0.0.1. */
export const scriptedGrpc = (
  scripted: { readonly serve: MemoryServer },
  credentials: Grpc.ServerCredentials = Grpc.ServerCredentials.createInsecure(),
  options: Grpc.ServerOptions = {}
): Effect.Effect<ScriptedGrpc, never, Scope.Scope> =>
  Effect.gen(function* () {
    const peers: Array<string> = []
    const server = new Grpc.Server(options)
    const handler =
      (rpc: Rpc) =>
      (call: Grpc.ServerDuplexStream<Buffer, Buffer>): void => {
        peers.push(call.getPeer())
        let over = false
        const headers: Record<string, string> = {}
        for (const [name, value] of Object.entries(call.metadata.getMap()))
          headers[name] = String(value)
        const peer: MemoryPeer = {
          write: (response) => {
            if (!over) call.write(Buffer.from(response))
          },
          finish: (status) => {
            over = true
            if (status === undefined) call.end()
            else call.emit("error", { code: status.code, details: status.message })
          },
          cut: () => {
            over = true
            call.emit("error", { code: Grpc.status.UNAVAILABLE, details: "cut by script" })
          },
          pause: () => call.pause(),
          resume: () => call.resume()
        }
        const connection = scripted.serve(headers, peer, rpc)
        call.on("data", (bytes: Buffer) => connection.receive(bytes))
        call.on("end", () => connection.halfClosed())
        call.on("cancelled", () => connection.cancelled())
      }
    server.addService(service, {
      EphemeralStream: handler("EphemeralStream"),
      DoPut: handler("DoPut")
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
          resume(error === null ? Effect.succeed(bound) : Effect.die(error))
        )
      }),
      () => Effect.sync(() => server.forceShutdown())
    )
    return { port, peers }
  })
