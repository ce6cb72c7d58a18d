/**
 * Faults that a review of the engine found, each held by a test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Queue, Schema } from "effect"
import { TestClock } from "effect/testing"
import { HeadersProvider, TableProperties, Transport, Zerobus } from "effect-zerobus"
import { MemoryTransport } from "effect-zerobus/testing"
import { createServer, connect, type AddressInfo, type Socket } from "node:net"
import { inspect } from "node:util"
import { RouteCredentials } from "../src/internal/grpcChannel.ts"
import { bypasses } from "../src/internal/proxy.ts"
import { ackResponse, createdResponse, readRequest } from "../src/local/streamMessages.ts"

const token = "REVIEWTOKEN12345"
const provider = Layer.succeed(
  HeadersProvider,
  HeadersProvider.make({ getHeaders: Effect.succeed({ authorization: `Bearer ${token}` }) })
)
const table = TableProperties.json("main.default.reviewed")

/** A server that opens every stream and does with each ingest message what `onIngest` says. */
const server =
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
      } else if (request._tag === "Ingest") onIngest(request.offset ?? -1, request.records.length, peer)
    },
    halfClosed: () => peer.finish(undefined),
    cancelled: () => {}
  })

const client = (memoryServer: MemoryTransport.MemoryServer) =>
  Zerobus.layerNoDeps.pipe(Layer.provide([MemoryTransport.layer(memoryServer), provider]))

describe("callers that wait for room", () => {
  it.live("are let in however many they are, and hand in more when they are", () => {
    let accepted = 0
    const program = Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(table, { maxInflightRecords: 2000 })
      yield* Effect.forEach(
        Array.from({ length: 4000 }, (_, n) => n),
        (n) => Effect.forEach([1, 2, 3], (part) => stream.ingestRecord({ n, part })),
        { concurrency: "unbounded", discard: true }
      )
      yield* stream.close
    })
    const counting = server((offset, records, peer) => {
      accepted += records
      peer.write(ackResponse(offset))
    })
    return program.pipe(
      Effect.scoped,
      Effect.provide(client(counting)),
      Effect.andThen(Effect.sync(() => assert.strictEqual(accepted, 12_000)))
    )
  })
})

describe("receipts and calls", () => {
  it.live("show neither credentials nor records when they are logged", () =>
    Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(table)
      const call = stream.ingestRecord({ secret: "REVIEWPAYLOAD" })
      const ack = yield* call
      yield* ack.await
      for (const shown of [ack, call, stream]) {
        const text = inspect(shown, { depth: 20, showHidden: true }) + JSON.stringify(shown)
        assert.notInclude(text, token)
        assert.notInclude(text, "REVIEWPAYLOAD")
      }
      yield* stream.close
    }).pipe(Effect.scoped, Effect.provide(client(server((offset, _, peer) => peer.write(ackResponse(offset))))))
  )
})

describe("records of a schema", () => {
  it.live("are handed back as they were handed in, whatever the schema's encoded side is", () => {
    const dated = TableProperties.json(
      "main.default.reviewed",
      Schema.Struct({ at: Schema.Date, level: Schema.Number, note: Schema.UndefinedOr(Schema.String) })
    )
    const record = { at: new Date(1_767_225_600_000), level: Number.NaN, note: undefined }
    return Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(dated, { flushTimeout: 20, drainTimeout: 0 })
      yield* stream.ingestRecord(record)
      const failure = yield* Effect.flip(stream.close)
      assert.include(failure.message, "getUnackedRecords")
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [record])
    }).pipe(Effect.scoped, Effect.provide(client(server(() => {}))))
  })

  it.live("that a codec cannot read back do not keep the others from the handler", () => {
    const left: Array<unknown> = []
    const picky: TableProperties.TableProperties<any> = {
      ...table,
      codec: {
        write: table.codec.write,
        read: (payload) => {
          const value = JSON.parse(Buffer.from(payload).toString()) as { readonly n: number }
          if (value.n === 1) throw new Error("unreadable")
          return value
        }
      }
    }
    const program = Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(picky, {
        scopeCloseTimeout: 10,
        drainTimeout: 0,
        onUnacked: ({ records }) => Effect.sync(() => left.push(...records))
      })
      for (const n of [0, 1, 2]) yield* stream.ingestRecord({ n })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.timeout(stream.flush, 5))))
    })
    return program.pipe(
      Effect.scoped,
      Effect.provide(client(server(() => {}))),
      Effect.andThen(Effect.sync(() => assert.deepStrictEqual(left, [{ n: 0 }, { n: 2 }])))
    )
  })
})

describe("defects below the engine", () => {
  const throwing = Layer.succeed(Transport, {
    open: () =>
      Effect.gen(function* () {
        const responses = yield* Queue.unbounded<Uint8Array, Cause.Done>()
        let sent = 0
        return {
          sendUnsafe: () => {
            if (sent++ > 0) throw new Error("a bug of the transport")
            Queue.offerUnsafe(responses, createdResponse("session"))
            return true
          },
          writable: Effect.void,
          sentUnsafe: () => sent,
          onSentUnsafe: () => {},
          halfClose: Effect.void,
          responses: Queue.asDequeue(responses)
        }
      })
  })

  it.live("end the stream: nobody waits, close does not succeed, and the records stay readable", () =>
    Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(table)
      const ack = yield* stream.ingestRecord({ n: 1 })
      const waited = yield* Effect.exit(ack.await)
      assert.isTrue(Exit.isFailure(waited) && Cause.hasDies(waited.cause))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(stream.close)))
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [`{"n":1}`])
    }).pipe(
      Effect.scoped,
      Effect.provide(Zerobus.layerNoDeps.pipe(Layer.provide([throwing, provider]))),
      Effect.timeout("5 seconds")
    )
  )
})

describe("a server that opens sessions and acknowledges nothing", () => {
  it.effect("comes to an end when the budget is spent, although silence outlasts the stable uptime", () => {
    let sessions = 0
    return Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const stream = yield* zerobus.createStream(table, { recoveryRetries: 2 })
      const ack = yield* stream.ingestRecord({ n: 1 })
      const waiting = yield* Effect.forkChild(Effect.flip(ack.await), { startImmediately: true })
      for (let n = 0; n < 12; n++) {
        yield* TestClock.adjust("20 seconds")
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
      }
      const failure = yield* Fiber.join(waiting)
      assert.strictEqual(failure._tag, "Retryable")
      assert.strictEqual(sessions, 3)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        client(
          server(
            () => {},
            () => sessions++
          )
        )
      )
    )
  })
})

describe("connections", () => {
  it.live("are all given up at once, also those that lost the race of several addresses", () =>
    Effect.gen(function* () {
      const listener = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listening = createServer(() => {})
          listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const { port } = listener.address() as AddressInfo
      const endpoint = { secure: false, host: "127.0.0.1", port, origin: `http://127.0.0.1:${port}` }
      const credentials = new RouteCredentials({ endpoint, proxy: undefined, secureContext: undefined, protocol: "h2" })
      const connector = credentials._createSecureConnector()
      const open = Effect.promise(
        () =>
          new Promise<Socket>((resolve) => {
            const socket = connect(port, "127.0.0.1", () => resolve(socket))
          })
      )
      const sockets = [yield* open, yield* open]
      for (const socket of sockets) yield* Effect.promise(() => connector.connect(socket))
      credentials.disconnect()
      assert.deepStrictEqual(
        sockets.map((socket) => socket.destroyed),
        [true, true]
      )
    }).pipe(Effect.scoped)
  )

  it("bypass a proxy by an IPv6 address, with brackets and port or without", () => {
    for (const list of ["::1", "[::1]", "[::1]:443"]) assert.isTrue(bypasses(list, "::1"), list)
    assert.isTrue(bypasses("example.com:8080", "api.example.com"))
    assert.isFalse(bypasses("::2", "::1"))
  })
})
