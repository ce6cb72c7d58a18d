/**
 * Faults that a review of the engine found, each held by a test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Queue, Redacted, Schedule, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { HeadersProvider, TableProperties, Transport, Zerobus } from "effect-zerobus"
import { createServer, connect, type AddressInfo, type Socket } from "node:net"
import { createSecureContext, createServer as createTlsServer } from "node:tls"
import { inspect } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { RouteCredentials } from "../src/internal/grpc/grpcChannel.ts"
import { bypasses } from "../src/internal/net/proxy.ts"
import { makeCertificates } from "../src/local/endpoints/certificates.ts"
import { ackResponse, createdResponse, readRequest } from "../src/local/stream/streamMessages.ts"
import * as MemoryTransport from "../src/testing/MemoryTransport.ts"

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

describe("a stream that was recreated", () => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  const payload = "x".repeat(1000)

  /** A server that breaks its first connection off, once it has a record, and acknowledges on the others. */
  const breaking = () => {
    let calls = 0
    const refusing: MemoryTransport.MemoryServer = (headers, peer) => {
      const first = calls++ === 0
      return server((offset) => (first ? peer.cut() : peer.write(ackResponse(offset))))(headers, peer)
    }
    return refusing
  }
  /** How many finalizers an open scope has: Effect keeps a single one outside its map. */
  const finalizersOf = ({ state }: Scope.Scope): number => (state._tag === "Open" ? (state.finalizers?.size ?? 1) : 0)

  it.live("leaves nothing in its caller's scope, and is collected when nobody holds it any more", () =>
    Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const scope = yield* Scope.make()
      let told = 0
      const recreated = yield* Effect.gen(function* () {
        const old = yield* zerobus.createStream(table, {
          recovery: false,
          onUnacked: () => Effect.sync(() => void told++)
        })
        assert.strictEqual(finalizersOf(scope), 1)
        for (let n = 0; n < 50; n++) yield* old.ingestRecord({ n, payload })
        yield* Effect.flip(old.flush)
        const next = yield* zerobus.recreateStream(old)
        return { next, old: new WeakRef(old) }
      }).pipe(Scope.provide(scope))
      // The new stream's, and no longer the old one's.
      assert.strictEqual(finalizersOf(scope), 1)
      yield* recreated.next.flush
      for (let n = 0; n < 50 && recreated.old.deref() !== undefined; n++) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        collect()
      }
      assert.isUndefined(recreated.old.deref())
      yield* recreated.next.close
      assert.strictEqual(finalizersOf(scope), 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(told, 0)
    }).pipe(Effect.scoped, Effect.provide(client(breaking())))
  )

  it.live("keeps its place in the scope when it could not be recreated: its records are still to be handed on", () => {
    const left: Array<unknown> = []
    let calls = 0
    const refusing: MemoryTransport.MemoryServer = (headers, peer) =>
      calls++ === 0
        ? server(() => peer.cut())(headers, peer)
        : { receive: () => peer.finish({ code: 5, message: "gone" }), halfClosed: () => {}, cancelled: () => {} }
    return Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const scope = yield* Scope.make()
      yield* Effect.gen(function* () {
        const old = yield* zerobus.createStream(table, {
          recovery: false,
          onUnacked: ({ records }) => Effect.sync(() => left.push(...records))
        })
        yield* old.ingestRecord({ n: 1 })
        yield* Effect.flip(old.flush)
        assert.strictEqual((yield* Effect.flip(zerobus.recreateStream(old)))._tag, "InvalidTable")
      }).pipe(Scope.provide(scope))
      assert.strictEqual(finalizersOf(scope), 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(left, [`{"n":1}`])
    }).pipe(Effect.scoped, Effect.provide(client(refusing)))
  })
})

describe("a server that quotes the headers it was sent", () => {
  const sent = {
    "authorization": "Custom REVIEWTOKEN98765",
    "x-api-key": "REVIEWKEY-2468",
    "x-padded": "  REVIEWPADDED-1357 "
  }
  const quoting: MemoryTransport.MemoryServer = (headers, peer) => ({
    receive: () => {
      const quoted = Object.entries(headers).map(([name, value]) => `${name}=${value}`)
      const said = `${quoted.join(" ")} and once more ${headers["x-padded"]!.trim()} ${headers["x-api-key"]}-extended`
      const field = (number: number, content: Uint8Array | string) => {
        const bytes = Buffer.from(content)
        const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
        return Buffer.concat([Uint8Array.of((number << 3) | 2, ...length), bytes])
      }
      const entry = (key: string, value: string) => field(3, Buffer.concat([field(1, key), field(2, value)]))
      const info = Buffer.concat([
        field(1, "SCHEMA_VALIDATION_FAILED"),
        entry("causes", `TYPE_INCOMPATIBLE,${headers["x-api-key"]},REVIEWTOKEN98765`),
        entry("error_code", headers["x-api-key"]!)
      ])
      const details = field(3, Buffer.concat([field(1, "type.googleapis.com/google.rpc.ErrorInfo"), field(2, info)]))
      const schema = headers["x-schema"] === "yes-please"
      peer.finish({ code: schema ? 3 : 13, message: said, details: schema ? details : undefined })
    },
    halfClosed: () => {},
    cancelled: () => {}
  })

  for (const [what, more, tag] of [
    ["in its status", {}, "Retryable"],
    ["in the details of a schema error", { "x-schema": "yes-please" }, "SchemaMismatch"]
  ] as const) {
    it.live(`${what} is not quoted with their values, the table's name excepted`, () =>
      Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const failure = yield* Effect.flip(
          zerobus.createStream(table, {
            recovery: false,
            headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({ ...sent, ...more }) })
          })
        )
        assert.strictEqual(failure._tag, tag)
        const text = inspect(failure, { depth: 20, showHidden: true }) + JSON.stringify(failure) + failure.message
        assert.notInclude(text, "REVIEW")
        // What names them, and the table, stays.
        for (const word of ["x-api-key=<redacted>", `x-databricks-zerobus-table-name=${table.tableName}`])
          assert.include(failure.message, word)
        if (failure._tag === "SchemaMismatch") {
          assert.deepStrictEqual(failure.causes, ["TYPE_INCOMPATIBLE", "<redacted>", "<redacted>"])
          assert.isUndefined(failure.errorCode)
        }
      }).pipe(Effect.scoped, Effect.provide(client(quoting)))
    )
  }
})

describe("a refused TLS handshake", () => {
  const good = makeCertificates(["127.0.0.1"], Date.now())
  const other = makeCertificates(["127.0.0.1"], Date.now())
  const listeningWith = (pair: typeof good) =>
    Effect.acquireRelease(
      Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        const listener = createTlsServer(
          { cert: pair.cert, key: Redacted.value(pair.key), ALPNProtocols: ["h2"] },
          () => {}
        )
        listener.on("tlsClientError", () => {})
        listener.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})))
        listener.listen(0, "127.0.0.1", () =>
          resume(
            Effect.succeed({
              port: (listener.address() as AddressInfo).port,
              close: () => {
                for (const socket of sockets) socket.destroy()
                listener.close()
              }
            })
          )
        )
      }),
      ({ close }) => Effect.sync(close)
    )
  const credentialsFor = (port: number, ca?: string) =>
    new RouteCredentials({
      endpoint: { secure: true, host: "127.0.0.1", port, origin: `https://127.0.0.1:${port}` },
      proxy: undefined,
      secureContext: createSecureContext(ca === undefined ? {} : { ca }),
      protocol: "h2"
    })
  const socketTo = (port: number) =>
    Effect.promise(
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => resolve(socket))
          socket.on("error", () => {})
        })
    )

  it.live(
    "is told to those who waited for it, and to nobody later: it says nothing about the connection after it",
    () =>
      Effect.gen(function* () {
        const { port } = yield* listeningWith(good)
        const credentials = credentialsFor(port)
        const connector = credentials._createSecureConnector()
        assert.isUndefined(credentials.takeFailure())
        const socket = yield* socketTo(port)
        const attempt = yield* Effect.exit(Effect.tryPromise(() => connector.connect(socket)))
        assert.isTrue(Exit.isFailure(attempt))
        for (let call = 0; call < 2; call++) {
          assert.deepInclude(credentials.takeFailure(), { tls: true, code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" })
        }
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        assert.isUndefined(credentials.takeFailure())
      }).pipe(Effect.scoped)
  )

  it.live("is forgotten when a later handshake succeeds", () =>
    Effect.gen(function* () {
      const trusted = yield* listeningWith(good)
      const untrusted = yield* listeningWith(other)
      const credentials = credentialsFor(trusted.port, good.ca)
      const connector = credentials._createSecureConnector()
      const broken = yield* socketTo(untrusted.port)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => connector.connect(broken)))))
      const socket = yield* socketTo(trusted.port)
      const connected = yield* Effect.promise(() => connector.connect(socket))
      assert.isTrue(connected.secure)
      assert.isUndefined(credentials.takeFailure())
      credentials.disconnect()
    }).pipe(Effect.scoped)
  )

  it.live("leaves no failure behind that a shared connection would tell the next stream", () =>
    Effect.gen(function* () {
      const { close, port } = yield* listeningWith(good)
      // Built into the test's scope: a client whose layer has ended opens nothing more.
      const client = yield* Layer.build(
        Zerobus.layer({
          serverEndpoint: `https://127.0.0.1:${port}`,
          connectionPerStream: false,
          proxy: false,
          stream: {
            headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) }),
            recoverySchedule: Schedule.recurs(0)
          }
        })
      )
      const zerobus = yield* Effect.provide(Zerobus, client)
      assert.strictEqual((yield* Effect.flip(zerobus.createStream(table)))._tag, "TlsFailure")
      close()
      const failure = yield* Effect.flip(zerobus.createStream(table))
      assert.strictEqual(failure._tag === "Retryable" && failure.reason._tag, "ConnectionLost")
    }).pipe(Effect.scoped)
  )
})

describe("connections", () => {
  it.live("that come about after the client gave them up are given back, not kept", () =>
    Effect.gen(function* () {
      const listener = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listening = createServer((socket) => socket.on("error", () => {}))
          listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const { port } = listener.address() as AddressInfo
      for (const secure of [false, true]) {
        const endpoint = { secure, host: "127.0.0.1", port, origin: `http://127.0.0.1:${port}` }
        const credentials = new RouteCredentials({
          endpoint,
          proxy: undefined,
          secureContext: createSecureContext(),
          protocol: "h2"
        })
        const connector = credentials._createSecureConnector()
        const open = Effect.promise(
          () =>
            new Promise<Socket>((resolve) => {
              const socket = connect(port, "127.0.0.1", () => resolve(socket))
              socket.on("error", () => {})
            })
        )
        const [before, during] = [yield* open, yield* open]
        const underWay = connector.connect(during).then(
          () => "connected",
          () => "refused"
        )
        credentials.abort()
        // A handshake with a listener that says nothing would never end.
        const late = connector.connect(before).then(
          () => "connected",
          () => "refused"
        )
        assert.deepStrictEqual(yield* Effect.promise(() => Promise.all([underWay, late])), ["refused", "refused"])
        // grpc-js destroys what its connector refused.
        for (const socket of [before, during]) socket.destroy()
      }
    }).pipe(Effect.scoped)
  )

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
