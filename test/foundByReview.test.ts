/**
 * Faults that reading found, where several parts of the client meet: each test failed before its fault was mended.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Context, Data, Effect, Exit, Layer, Queue, Redacted, Schedule, Scope, Stream } from "effect"
import { HeadersProvider, PayloadTooLarge, UnityCatalog } from "effect-zerobus"
import * as Http from "node:http"
import * as Net from "node:net"
import * as GrpcTransport from "../src/GrpcTransport.ts"
import { encodeCreate } from "../src/internal/protobuf/envelope.ts"
import { scrub } from "../src/internal/net/scrub.ts"
import { makeCertificates } from "../src/local/endpoints/certificates.ts"
import { Transport } from "../src/Transport.ts"
import * as A from "./support/acceptance.ts"
import { realClient } from "./support/realClient.ts"
import { reporting } from "./support/reports.ts"
import { scriptedGrpc } from "./support/scriptedGrpc.ts"
import { code, ScriptedServer } from "./support/scriptedServer.ts"

const quiet = { scopeCloseTimeout: 0, onUnacked: () => Effect.void }
/** An effect with a part that cannot be interrupted, as every `acquireRelease` has one. */
const inRegion = Effect.acquireUseRelease(
  Effect.sleep("10 minutes"),
  () => Effect.succeed({}),
  () => Effect.void
)
const token = "dapi0123456789abcdefghijklmnopqrstuvwxyz"
const provider = (headers: Record<string, string>) => HeadersProvider.make({ getHeaders: Effect.succeed(headers) })
const http = (handle: Http.RequestListener) =>
  Effect.gen(function* () {
    const server = Http.createServer(handle)
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.sync(() => server.close())
    )
    return (server.address() as Net.AddressInfo).port
  })

describe("what an ended stream has left", () => {
  it.effect(
    "is taken over, not given to onUnacked as well, when its scope closes while another stream opens with it",
    () =>
      Effect.gen(function* () {
        const left: Array<unknown> = []
        const { server, zerobus } = yield* A.client(A.silent, { onCreate: () => {} })
        const scope = yield* Scope.make()
        const stream = yield* Scope.provide(
          zerobus.createStream(A.table, {
            scopeCloseTimeout: 0,
            onUnacked: ({ records }) => Effect.sync(() => void left.push(...records))
          }),
          scope
        )
        yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.fail(code.INVALID_ARGUMENT)
        yield* A.settle
        const again = yield* A.started(zerobus.recreateStream(stream))
        yield* Scope.close(scope, Exit.void)
        server.last.accept()
        yield* A.settle
        const next = again.value()
        yield* A.settle
        server.last.ack(0)
        yield* next.flush
        assert.deepStrictEqual({ left, durable: server.connection(1).records }, { left: [], durable: [A.record(0)] })
      })
  )
})

describe("a token", () => {
  for (const [status, text] of [
    [code.UNAVAILABLE, `Connection closed: no backend for ${token}`],
    [code.INTERNAL, `Protocol error in the request of ${token}`]
  ] as const)
    it.live(
      `is not shown by an error with the server's words "${text.slice(0, 17)}...", which grpc-js could have said`,
      () =>
        Effect.gen(function* () {
          const scripted = new ScriptedServer([{ onCreate: (c) => c.fail(status, text) }])
          const { port } = yield* scriptedGrpc(scripted)
          const zerobus = yield* realClient(`http://127.0.0.1:${port}`, {
            stream: { headersProvider: provider({ authorization: `Bearer ${token}` }) }
          })
          assert.notInclude((yield* Effect.flip(zerobus.createStream(A.table))).message, token)
        })
    )
  it.effect("is not shown when it was given as the name of a header", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const headersProvider = provider({ [`Bearer ${token}`]: "authorization" })
      const error = yield* Effect.flip(zerobus.createStream(A.table, { headersProvider }))
      assert.notInclude(error.message, token)
    })
  )
  it.live("is not shown in part when the catalog repeats it many times", () =>
    Effect.gen(function* () {
      const port = yield* http((request, response) => {
        if (request.method === "POST") response.end(JSON.stringify({ access_token: token, expires_in: 3600 }))
        else response.writeHead(400).end("seen: " + `${token},`.repeat(200))
      })
      const error = yield* Effect.flip(
        Effect.provide(
          UnityCatalog.use((catalog) => catalog.getTable("main.default.t")),
          UnityCatalog.layer({
            workspaceUrl: `http://127.0.0.1:${port}`,
            clientId: "a",
            clientSecret: Redacted.make("0123456789"),
            proxy: false
          })
        )
      )
      assert.notInclude(error.message, token.slice(0, 20))
    })
  )
})

describe("acknowledgements that arrived", () => {
  it.live("count, also in one burst right before the end of the call", () =>
    Effect.gen(function* () {
      const resent: Array<string> = []
      for (let n = 1036; n <= 1056; n += 2) {
        const scripted = new ScriptedServer([
          {
            onMessage: (connection, { wireOffset }) => {
              if (wireOffset !== n - 1) return
              connection.closing(1000)
              for (let i = 0; i < n; i++) connection.ack(i)
              connection.end()
            }
          },
          {}
        ])
        const { port } = yield* scriptedGrpc(scripted)
        const zerobus = yield* realClient(`http://127.0.0.1:${port}`, { stream: { batching: "off" } })
        const stream = yield* zerobus.createStream(A.table)
        for (let i = 0; i < n; i++) yield* stream.ingestRecord(A.record(i))
        yield* stream.flush
        const again = scripted.connections[1]?.records.length ?? 0
        if (again > 0) resent.push(`${again} of ${n}`)
      }
      assert.deepStrictEqual(resent, [])
    })
  )
})

describe("a reader of durableOffsets", () => {
  it.effect("hears of every rise, wherever its fiber gives way and whoever else reads", () =>
    Effect.gen(function* () {
      const missed: Array<number> = []
      for (let ops = 1990; ops < 2060; ops++) {
        const { server, stream } = yield* A.open({ batching: "off" }, A.silent)
        const seen: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(stream.durableOffsets, (offset) =>
            Effect.gen(function* () {
              seen.push(offset)
              if (offset === 0) for (let i = 0; i < ops; i++) yield* Effect.sync(() => i)
            })
          )
        )
        yield* Effect.forkScoped(Stream.runDrain(stream.durableOffsets))
        yield* stream.ingestRecord(A.record(0))
        yield* stream.ingestRecord(A.record(1))
        for (let i = 0; i < 10; i++) yield* A.turn
        server.last.ack(0)
        server.last.ack(1)
        for (let i = 0; i < 20; i++) yield* A.turn
        yield* stream.flush
        if (seen.at(-1) !== 1) missed.push(ops)
      }
      assert.deepStrictEqual(missed, [])
    })
  )
})

describe("a shared connection", () => {
  it.live("is made once and closed with its layer, wherever the fibers that ask for it give way", () =>
    Effect.gen(function* () {
      const { peers, port } = yield* scriptedGrpc(new ScriptedServer([A.silent]))
      const sockets = new Set<Net.Socket>()
      const front = Net.createServer((socket) => {
        sockets.add(socket)
        const onward = Net.connect(port, "127.0.0.1")
        for (const each of [socket, onward]) each.on("error", () => {})
        socket.on("close", () => {
          sockets.delete(socket)
          onward.destroy()
        })
        onward.pipe(socket).pipe(onward)
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void front.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => void (front.close(), sockets.forEach((socket) => socket.destroy())))
      )
      const found: Array<string> = []
      for (let ops = 2020; ops < 2045; ops++) {
        const before = peers.length
        const scope = yield* Scope.make()
        const context = yield* Scope.provide(
          Layer.build(
            GrpcTransport.layer({
              serverEndpoint: `http://127.0.0.1:${(front.address() as Net.AddressInfo).port}`,
              proxy: false,
              connectionPerStream: false
            })
          ),
          scope
        )
        const one = Effect.scoped(
          Effect.gen(function* () {
            for (let i = 0; i < ops; i++) yield* Effect.sync(() => i)
            const call = yield* Context.get(context, Transport).open({})
            call.sendUnsafe(encodeCreate(A.table))
            yield* Queue.take(call.responses)
          })
        )
        yield* Effect.all([one, one], { concurrency: 2 })
        const connections = new Set(peers.slice(before)).size
        yield* Scope.close(scope, Exit.void)
        for (let n = 0; n < 100 && sockets.size > 0; n++) yield* Effect.sleep(5)
        if (connections !== 1 || sockets.size > 0) found.push(`${ops}: ${connections} made, ${sockets.size} left open`)
        for (const socket of sockets) socket.destroy()
        yield* Effect.sleep(5)
      }
      assert.deepStrictEqual(found, [])
    })
  )
})

describe("an error of the program in withStream", () => {
  class Mine extends Data.TaggedError("Mine")<{ readonly cause: unknown; readonly order: number }> {}
  it.effect("stays what it is, also with what ended the stream as its cause", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({ onMessage: (connection) => connection.fail(code.INVALID_ARGUMENT) })
      const error = yield* Effect.flip(
        zerobus.withStream(A.table, quiet, (stream) =>
          Effect.gen(function* () {
            const ack = yield* stream.ingestRecord(A.record(0))
            yield* Effect.mapError(ack.await, (cause) => new Mine({ cause, order: 7 }))
          })
        )
      )
      assert.strictEqual(error._tag, "Mine")
    })
  )
})

describe("a program in withStream", () => {
  it.effect("may recover its failed stream itself, and is not told of the failure again", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client({
        onMessage: (connection) => {
          if (connection === server.connection(0)) connection.fail(code.INVALID_ARGUMENT)
          else connection.ack(0)
        }
      })
      const result = yield* zerobus.withStream(A.table, quiet, (stream) =>
        Effect.gen(function* () {
          const ack = yield* stream.ingestRecord(A.record(0))
          yield* Effect.flip(ack.await)
          const next = yield* zerobus.recreateStream(stream)
          yield* next.close
          return "recovered"
        })
      )
      assert.strictEqual(result, "recovered")
      assert.deepStrictEqual(server.connection(1).records, [A.record(0)])
    })
  )
})

describe("a call keeps its limit", () => {
  /** Whether it ends within so many milliseconds of the virtual clock. */
  const endsWithin = <B, E, R>(millis: number, call: Effect.Effect<B, E, R>) =>
    Effect.gen(function* () {
      const running = yield* A.started(call as Effect.Effect<B, E>)
      yield* A.advance(millis)
      const done = running.done()
      yield* A.advance(4_000_000, 400_000)
      assert.isTrue(done)
    })
  it.effect("createStream, when getHeaders is in a part that cannot be interrupted", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const headersProvider = HeadersProvider.make({ getHeaders: inRegion })
      yield* endsWithin(
        2000,
        Effect.scoped(zerobus.createStream(A.table, { headersProvider, recovery: false, recoveryTimeout: 1000 }))
      )
    })
  )
  it.effect("createStream, when beforeOpen is", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      yield* endsWithin(
        2000,
        Effect.scoped(zerobus.createStream(A.table, { beforeOpen: inRegion, recoveryTimeout: 1000 }))
      )
    })
  )
  it.effect("close, when invalidate is", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const headersProvider = HeadersProvider.make({
        getHeaders: Effect.succeed({}),
        invalidate: Effect.asVoid(inRegion)
      })
      const stream = yield* zerobus.createStream(A.table, {
        ...quiet,
        headersProvider,
        recoveryTimeout: 1000,
        flushTimeout: 1000
      })
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.fail(code.UNAUTHENTICATED)
      yield* endsWithin(3000, Effect.exit(stream.close))
    })
  )
  it.effect("the closing of a scope, when onUnacked is", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(
        zerobus.createStream(A.table, { scopeCloseTimeout: 100, onUnacked: () => Effect.asVoid(inRegion) }),
        scope
      )
      yield* stream.ingestRecord(A.record(0))
      yield* endsWithin(7000, Scope.close(scope, Exit.void))
    })
  )
  it.effect("close, when the recovery schedule takes its time to decide", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client(A.silent)
      const stream = yield* zerobus.createStream(A.table, {
        ...quiet,
        flushTimeout: 1000,
        recoverySchedule: Schedule.spaced(10).pipe(Schedule.tap(() => Effect.sleep("1 hour")))
      })
      yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.cut()
      yield* A.settle
      yield* endsWithin(3000, Effect.exit(stream.close))
    })
  )
})

describe("a long text of the other side", () => {
  it("is read once, wherever a token could begin in it", () => {
    // Read anew from each of the places it would take half a minute.
    for (let n = 0; n < 30; n++) {
      assert.strictEqual(scrub("-eyJ".repeat(16_000)).length, 2048 + 3)
      assert.strictEqual(scrub("-eyJ".repeat(16_000) + "."), "-<redacted>")
    }
    assert.strictEqual(
      scrub(`a.b eyJx.eyJy.z_w, ${"c ".repeat(40_000)}eyJ0.1.2`).slice(0, 24),
      "a.b <redacted>, c c c c "
    )
    // The part that is looked at ends between two words, so that no half of a token is left.
    assert.notInclude(scrub(`${"eyJ0.1.2,".repeat(8_000)}`), "eyJ")
  })
})

describe("what a stream does without its user", () => {
  it.effect("connects at most every 100 ms to a server that ends each session at once, whatever its backoff", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client({
        onCreate: (connection) => {
          connection.accept()
          connection.closing(0)
        }
      })
      yield* zerobus.createStream(A.table, { ...quiet, recoveryBackoff: 0 })
      yield* A.settle
      const before = server.connections.length
      yield* A.advance(99)
      assert.isAtMost(server.connections.length - before, 1)
      yield* A.advance(1_000)
      assert.isAtMost(server.connections.length - before, 12)
      assert.isAbove(server.connections.length, before)
    })
  )
  it.effect("logs a recovery schedule that throws, and fails with what it was to recover from", () =>
    reporting((reports) =>
      Effect.gen(function* () {
        const { server, zerobus } = yield* A.client(A.silent)
        const stream = yield* zerobus.createStream(A.table, {
          ...quiet,
          recoverySchedule: Schedule.spaced(10).pipe(Schedule.tap(() => Effect.die(new Error("a bug"))))
        })
        const ack = yield* stream.ingestRecord(A.record(0))
        yield* A.settle
        server.last.cut()
        yield* A.settle
        A.tagged(yield* Effect.flip(ack.await), "Retryable")
        assert.include(
          reports.lines.map(({ text }) => text),
          "The recoverySchedule threw, so the stream does not recover"
        )
      })
    )
  )
  it.effect(
    "says after a second what a closing scope waits for, and then what is lost, without advice for nobody",
    () =>
      reporting((reports) =>
        Effect.gen(function* () {
          const { zerobus } = yield* A.client(A.silent)
          const scope = yield* Scope.make()
          const stream = yield* Scope.provide(zerobus.createStream(A.table, { scopeCloseTimeout: 3_000 }), scope)
          yield* stream.ingestRecord(A.record(0))
          const waits = () =>
            reports.lines.filter(({ text }) => String(text).startsWith("A scope closes and waits")).length
          yield* A.started(Scope.close(scope, Exit.void))
          yield* A.advance(999)
          assert.strictEqual(waits(), 0)
          yield* A.advance(1)
          assert.strictEqual(waits(), 1)
          yield* A.advance(4_000)
          assert.strictEqual(waits(), 1)
          const left = reports.lines.find(({ text }) => String(text).startsWith("A stream ended with records"))
          assert.notMatch(JSON.stringify(left?.details), /nothing was dropped|getUnackedRecords/)
          assert.match(JSON.stringify(left?.details), /reached its limit of 3000 ms/)
        })
      )
  )
})

describe("errors of the right kind", () => {
  it.live("say what to do about an endpoint that is not there, or does not speak TLS", () =>
    Effect.gen(function* () {
      const { port } = yield* scriptedGrpc(new ScriptedServer([{}]))
      const opening = (url: string) =>
        Effect.flatMap(realClient(url, { stream: { recovery: false } }), (zerobus) =>
          Effect.flip(zerobus.createStream(A.table))
        )
      const plain = A.tagged(yield* opening(`https://127.0.0.1:${port}`), "TlsFailure")
      assert.match(plain.message, /wrong version number\. The other side does not speak TLS: .*http:/)
      const nobody = A.tagged(yield* opening("http://127.0.0.1:1"), "Retryable")
      assert.match(nobody.message, /No connection .* could be made: .*ECONNREFUSED.*\. Check the endpoint/)
    })
  )
  it.effect("are given for a table that is none", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      for (const none of [undefined, null, 5, "main.default.t"]) {
        const error = A.tagged(yield* Effect.flip(zerobus.createStream(none as never)), "InvalidArgument")
        assert.deepStrictEqual(error.path, ["table"])
      }
    })
  )
  it.live("tell all streams that open together over one connection that TLS was refused", () =>
    Effect.gen(function* () {
      const { cert, key } = makeCertificates(["127.0.0.1"], Date.now())
      const { port } = yield* scriptedGrpc(
        new ScriptedServer([A.silent]),
        Grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(cert), private_key: Buffer.from(Redacted.value(key)) }
        ])
      )
      const zerobus = yield* realClient(`https://127.0.0.1:${port}`, { connectionPerStream: false })
      const errors = yield* Effect.all(
        [1, 2, 3].map(() => Effect.flip(zerobus.createStream(A.table))),
        { concurrency: 3 }
      )
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["TlsFailure", "TlsFailure", "TlsFailure"]
      )
    })
  )
  it.effect("are given for a provider's PayloadTooLarge, which is no failure of a stream", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const error = new PayloadTooLarge({ size: 2, limit: 1, option: "maxPayloadBytes" })
      const headersProvider = HeadersProvider.make({ getHeaders: Effect.fail(error) })
      assert.strictEqual((yield* Effect.flip(zerobus.createStream(A.table, { headersProvider })))._tag, "InvalidToken")
    })
  )
  it.effect("are given for headers with a getter that throws, without its text", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({})
      const headersProvider = HeadersProvider.make({
        getHeaders: Effect.succeed({
          get authorization(): string {
            throw new Error(`no token but ${token}`)
          }
        })
      })
      const error = yield* Effect.flip(Effect.sandbox(zerobus.createStream(A.table, { headersProvider })))
      assert.notInclude(String(error), token)
    })
  )
  it.effect("do not tell the size at which encoding stopped as that of the batch", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ maxPayloadBytes: 1000 })
      const batch = Array.from({ length: 1000 }, () => `{"a":"${"x".repeat(100)}"}`)
      const error = A.tagged(yield* Effect.flip(stream.ingestRecords(batch)), "PayloadTooLarge")
      assert.match(error.message, /^The call needs at least \d{4} bytes, above the limit of 1000 /)
    })
  )
  it.effect("name the flush that the closing of a scope cut off", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(zerobus.createStream(A.table, quiet), scope)
      yield* stream.ingestRecord(A.record(0))
      const flushing = yield* A.started(stream.flush)
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      yield* A.advance(1000)
      assert.isTrue(closing.done())
      assert.strictEqual(A.tagged(flushing.error(), "StreamClosed").operation, "flush")
    })
  )
  it.effect("can tell two streams apart whose server gives no id", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client({ onCreate: (connection) => connection.send([0x0a, 0x00]) })
      const one = yield* zerobus.createStream(A.table, quiet)
      const two = yield* zerobus.createStream(A.table, quiet)
      assert.notStrictEqual(one.streamId, two.streamId)
    })
  )
})
