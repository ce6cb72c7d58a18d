/**
 * A gRPC proxy that adds a descriptor to the first message of `DoPut` and passes everything else on
 * unchanged. The service accepts calls without one; Arrow's own servers refuse them.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { duplexMethod } from "./duplexMethod.ts"

const identity = (bytes: Buffer): Buffer => bytes

const PATH = "/arrow.flight.protocol.FlightService/DoPut"

const service = {
  DoPut: duplexMethod(PATH)
} satisfies Grpc.ServiceDefinition

/** Field 1 of FlightData: a descriptor of type CMD without a command. */
const DESCRIPTOR = Uint8Array.of(0x0a, 0x04, 0x08, 0x02, 0x12, 0x00)

const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 }

/** Runs a proxy to a port of 127.0.0.1. Returns the proxy's port. */
export const descriptorProxy = (to: number): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = new Grpc.Server(unlimited)
    const client = new Grpc.Client(`127.0.0.1:${to}`, Grpc.credentials.createInsecure(), unlimited)
    server.addService(service, {
      DoPut: (call: Grpc.ServerDuplexStream<Buffer, Buffer>) => {
        const metadata = new Grpc.Metadata()
        for (const [name, value] of Object.entries(call.metadata.getMap())) {
          if (/^(?:authorization|x-)/.test(name)) metadata.set(name, value)
        }
        const onward = client.makeBidiStreamRequest(PATH, identity, identity, metadata)
        let first = true
        call.on("data", (bytes: Buffer) => {
          if (!onward.write(first ? Buffer.concat([DESCRIPTOR, bytes]) : bytes)) {
            call.pause()
            onward.once("drain", () => call.resume())
          }
          first = false
        })
        call.on("end", () => onward.end())
        call.on("cancelled", () => onward.cancel())
        onward.on("data", (bytes: Buffer) => call.write(bytes))
        onward.on("error", () => {})
        onward.on("status", ({ code, details }: Grpc.StatusObject) => {
          const end = (): void => {
            if (code === Grpc.status.OK) call.end()
            else call.emit("error", { code, details })
          }
          // A status would arrive before unread responses.
          if (onward.readableLength === 0) end()
          else onward.once("end", end)
        })
      }
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        client.close()
        server.forceShutdown()
      })
    )
    return yield* Effect.callback<number>((resume) => {
      server.bindAsync("127.0.0.1:0", Grpc.ServerCredentials.createInsecure(), (error, port) =>
        resume(error === null ? Effect.succeed(port) : Effect.die(error))
      )
    })
  })
