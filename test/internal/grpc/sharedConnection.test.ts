/**
 * One connection for many calls: when it is kept, replaced and closed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { type Cause, Context, Effect, Exit, Layer, Queue, Schedule, Scope } from "effect"
import * as Net from "node:net"
import * as GrpcTransport from "../../../src/GrpcTransport.ts"
import { encodeCreate } from "../../../src/internal/protobuf/envelope.ts"
import { Transport, type TransportFailure } from "../../../src/Transport.ts"
import * as A from "../../support/acceptance.ts"
import type { ZerobusStream } from "../../../src/ZerobusStream.ts"
import type { ZerobusShape } from "../../../src/Zerobus.ts"
import { realClient } from "../../support/realClient.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { code, type Script, ScriptedServer } from "../../support/scriptedServer.ts"

/**
 * A path to the server whose first connections lead nowhere: they are accepted and read, and
 * nothing comes back.
 */
const wayTo = (port: number, deaf: number) =>
  Effect.gen(function* () {
    const connections: Array<{ readonly socket: Net.Socket; bytes: number; closed: boolean }> = []
    const others = new Set<Net.Socket>()
    const listener = Net.createServer((socket) => {
      const connection = { socket, bytes: 0, closed: false }
      connections.push(connection)
      socket.on("error", () => {})
      socket.on("data", (chunk) => (connection.bytes += chunk.length))
      socket.on("close", () => (connection.closed = true))
      if (connections.length <= deaf) return
      const onward = Net.connect(port, "127.0.0.1")
      others.add(onward)
      onward.on("error", () => socket.destroy())
      socket.pipe(onward)
      onward.pipe(socket)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        listener.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.sync(() => {
          for (const { socket } of connections) socket.destroy()
          for (const socket of others) socket.destroy()
          listener.close()
        })
    )
    return { connections, port: (listener.address() as Net.AddressInfo).port }
  })

/** Waits for something that sockets do. The test's own limit ends a wait for what never happens. */
const until = (condition: () => boolean) =>
  Effect.callback<void>((resume) => {
    const look = () => {
      if (condition()) resume(Effect.void)
      else setImmediate(look)
    }
    look()
  })

const create = encodeCreate(A.table)

/**
 * A transport over one shared connection, or one per call. The first `deaf` connections lead
 * nowhere.
 */
const shared = (deaf: number, connectionPerStream = false, ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const server = new ScriptedServer(scripts)
    const grpc = yield* scriptedGrpc(server)
    const way = yield* wayTo(grpc.port, deaf)
    const layer = GrpcTransport.layer({
      serverEndpoint: `http://127.0.0.1:${way.port}`,
      connectionPerStream,
      proxy: false
    })
    const scope = yield* Scope.fork(yield* Scope.Scope)
    const transport = Context.get(yield* Layer.build(layer).pipe(Scope.provide(scope)), Transport)
    /** A call that has sent its create request, and how to interrupt it. */
    const call = Effect.gen(function* () {
      const own = yield* Scope.make()
      const opened = yield* transport.open({}).pipe(Scope.provide(own))
      opened.sendUnsafe(create)
      const answered: Effect.Effect<unknown, TransportFailure | Cause.Done> = Queue.take(
        opened.responses
      )
      const giveUp = Scope.close(own, Exit.void)
      /** Ends the call in order, and marks its connection as reusable. */
      const leave = Effect.gen(function* () {
        yield* opened.halfClose
        assert.isTrue(Exit.isFailure(yield* Effect.exit(answered)))
        opened.keepConnectionUnsafe?.()
        yield* giveUp
      })
      return { answered, giveUp, leave }
    })
    return { ...way, call, server, closeTransport: Scope.close(scope, Exit.void) }
  })

/** The deaf connection received the bytes of a call, so its HTTP/2 session gets no further. */
const carries = (connections: ReadonlyArray<{ readonly bytes: number }>, index: number) =>
  until(() => (connections[index]?.bytes ?? 0) > 0)

describe("a shared connection", () => {
  it.live("is kept for the next call when one got an answer on it", () =>
    Effect.gen(function* () {
      const { call, connections } = yield* shared(0)
      for (let n = 0; n < 3; n++) {
        const one = yield* call
        yield* one.answered
        yield* one.giveUp
      }
      assert.strictEqual(connections.length, 1)
      assert.isFalse(connections[0]!.closed)
    })
  )

  it.live(
    "is not asked for its end any more by a call that was given up before its headers came",
    () =>
      Effect.gen(function* () {
        const made: Array<Grpc.ClientDuplexStream<Buffer, Buffer>> = []
        const { makeBidiStreamRequest } = Grpc.Client.prototype
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            Grpc.Client.prototype.makeBidiStreamRequest = function (
              this: Grpc.Client,
              ...given: Array<unknown>
            ) {
              const call = Reflect.apply(makeBidiStreamRequest, this, given)
              made.push(call)
              return call
            } as typeof makeBidiStreamRequest
          }),
          () =>
            Effect.sync(() => {
              Grpc.Client.prototype.makeBidiStreamRequest = makeBidiStreamRequest
            })
        )
        const { call, connections } = yield* shared(1)
        const one = yield* call
        yield* carries(connections, 0)
        yield* one.giveUp
        assert.deepStrictEqual(
          made.map((call) => call.listenerCount("metadata")),
          [0]
        )
      })
  )

  it.live(
    "is kept for the next call when the server refused one on it, which is an answer too",
    () =>
      Effect.gen(function* () {
        const { call, connections } = yield* shared(0, false, A.refusing(code.NOT_FOUND), {})
        const refused = yield* call
        assert.deepInclude(yield* Effect.flip(refused.answered), {
          _tag: "Status",
          code: code.NOT_FOUND
        })
        yield* refused.giveUp
        const next = yield* call
        yield* next.answered
        assert.strictEqual(connections.length, 1)
        yield* next.giveUp
      })
  )

  it.live("is replaced for the next call, and closed, when one ended without any answer", () =>
    Effect.gen(function* () {
      const { call, connections, server } = yield* shared(1)
      const stuck = yield* call
      yield* carries(connections, 0)
      assert.isFalse(connections[0]!.closed)
      yield* stuck.giveUp
      yield* until(() => connections[0]!.closed)
      const next = yield* call
      yield* next.answered
      assert.strictEqual(connections.length, 2)
      assert.strictEqual(server.connections.length, 1)
      yield* next.giveUp
      // The new one has had a response.
      const third = yield* call
      yield* third.answered
      assert.strictEqual(connections.length, 2)
      yield* third.giveUp
    })
  )

  it.live("that is stuck stays for its open calls, and takes no other", () =>
    Effect.gen(function* () {
      const { call, connections, server } = yield* shared(0, false, {}, A.silent, A.silent)
      const kept = yield* call
      yield* kept.answered
      const first = yield* call
      const second = yield* call
      yield* until(
        () => server.connections.filter(({ create }) => create !== undefined).length === 3
      )
      yield* kept.giveUp
      yield* first.giveUp
      const third = yield* call
      yield* third.answered
      assert.strictEqual(connections.length, 2)
      assert.isFalse(connections[0]!.closed)
      yield* second.giveUp
      yield* until(() => connections[0]!.closed)
      assert.isFalse(connections[1]!.closed)
      yield* third.giveUp
      const fourth = yield* call
      yield* fourth.answered
      assert.strictEqual(connections.length, 2)
      yield* fourth.giveUp
    })
  )

  it.live("is closed with its transport", () =>
    Effect.gen(function* () {
      const { call, closeTransport, connections } = yield* shared(0)
      const one = yield* call
      yield* one.answered
      yield* one.giveUp
      yield* closeTransport
      yield* until(() => connections[0]!.closed)
    })
  )

  it.live(
    "takes no call when its transport is closed, whether or not there was one before, as own " +
      "ones do",
    () =>
      Effect.gen(function* () {
        for (const [before, connectionPerStream] of [
          [0, false],
          [1, false],
          [0, true],
          [1, true]
        ] as const) {
          const { call, closeTransport, connections } = yield* shared(0, connectionPerStream)
          for (let n = 0; n < before; n++)
            yield* Effect.flatMap(call, (one) => Effect.andThen(one.answered, one.giveUp))
          yield* closeTransport
          const error = A.tagged(yield* Effect.flip(call), "InvalidState")
          assert.include(error.message, "Open streams in a scope that ends before the layer's.")
          assert.isFalse(error.isRetryable)
          assert.strictEqual(connections.length, before)
        }
      })
  )

  it.live("of a single call that got no response is closed with the call", () =>
    Effect.gen(function* () {
      const { call, connections } = yield* shared(1, true)
      const deaf = yield* call
      yield* carries(connections, 0)
      yield* deaf.giveUp
      yield* until(() => connections[0]!.closed)
    })
  )

  it.live("of a single call is kept for the next one when it was left, for one at a time", () =>
    Effect.gen(function* () {
      const { call, closeTransport, connections } = yield* shared(0, true)
      const first = yield* call
      yield* first.answered
      yield* first.leave
      const second = yield* call
      yield* second.answered
      assert.strictEqual(connections.length, 1)
      const third = yield* call
      yield* third.answered
      assert.strictEqual(connections.length, 2)
      yield* third.leave
      assert.isFalse(connections[1]!.closed)
      yield* second.giveUp
      yield* until(() => connections[0]!.closed)
      yield* closeTransport
      yield* until(() => connections[1]!.closed)
    })
  )

  it.live("of a single call is closed when no other call comes", () =>
    Effect.gen(function* () {
      const { call, connections } = yield* shared(0, true)
      const one = yield* call
      yield* one.answered
      yield* one.leave
      yield* until(() => connections[0]!.closed)
    })
  )

  it.live("of a single call that is lost while it is kept serves no other", () =>
    Effect.gen(function* () {
      const { call, connections } = yield* shared(0, true)
      const one = yield* call
      yield* one.answered
      yield* one.leave
      connections[0]!.socket.destroy()
      yield* until(() => connections[0]!.closed)
      // The client may not have noticed yet: then the next call ends with the connection, and the
      // one after that does not.
      const other = Effect.flatMap(call, ({ answered }) => answered)
      yield* Effect.retry(other, { times: 1 })
      assert.strictEqual(connections.length, 2)
    })
  )

  it.live("that leads nowhere costs a stream one attempt, not its life", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([])
      const grpc = yield* scriptedGrpc(server)
      const way = yield* wayTo(grpc.port, 2)
      const zerobus = yield* realClient(`http://127.0.0.1:${way.port}`, {
        connectionPerStream: false,
        stream: { recoverySchedule: Schedule.recurs(50), recoveryTimeout: "100 millis" }
      })
      const stream = yield* zerobus.createStream(A.table)
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* ack.await
      yield* stream.close
      // The third connection is the first that works. A very busy machine may need another one.
      assert.isAtLeast(way.connections.length, 3)
      assert.deepStrictEqual(server.records, [A.record(0)])
    })
  )

  it.live(
    "is made once and closed with its layer, wherever the fibers that ask for it give way",
    () =>
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
          Effect.callback<void>(
            (resume) => void front.listen(0, "127.0.0.1", () => resume(Effect.void))
          ),
          () =>
            Effect.sync(() => void (front.close(), sockets.forEach((socket) => socket.destroy())))
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
          if (connections !== 1 || sockets.size > 0)
            found.push(`${ops}: ${connections} made, ${sockets.size} left open`)
          for (const socket of sockets) socket.destroy()
          yield* Effect.sleep(5)
        }
        assert.deepStrictEqual(found, [])
      })
  )
})

/** A client with shared connections that allow this many calls each, and the path to its server. */
const limited = (calls: number, ...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const server = new ScriptedServer(scripts)
    const { peers, port } = yield* scriptedGrpc(server, undefined, {
      "grpc.max_concurrent_streams": calls
    })
    const { connections, port: way } = yield* wayTo(port, 0)
    const zerobus = yield* realClient(`http://127.0.0.1:${way}`, {
      connectionPerStream: false,
      stream: { recoverySchedule: Schedule.recurs(20) }
    })
    const open = (count: number) =>
      Effect.all(
        Array.from({ length: count }, () => zerobus.createStream(A.table)),
        { concurrency: "unbounded" }
      )
    /** How many calls each connection has had. */
    const spread = () =>
      [...Map.groupBy(peers, (peer) => peer).values()]
        .map(({ length }) => length)
        .toSorted((a, b) => a - b)
    return { connections, open, server, spread }
  })

/** Sends a record over each stream and waits until all are durable. */
const sendOver = (streams: ReadonlyArray<ZerobusStream<any>>) =>
  Effect.forEach(
    streams,
    (stream, n) => Effect.flatMap(stream.ingestRecord(A.record(n)), ({ await: done }) => done),
    {
      concurrency: "unbounded",
      discard: true
    }
  )

describe("a server that limits the calls of a connection", () => {
  it.live("gets as many connections as its limit makes necessary, and streams in equal parts", () =>
    Effect.gen(function* () {
      const { connections, open, spread } = yield* limited(3)
      const streams = yield* open(10)
      yield* sendOver(streams)
      assert.strictEqual(connections.length, 4)
      assert.deepStrictEqual(spread(), [1, 3, 3, 3])
      // The next calls go where there is room.
      yield* sendOver(yield* open(2))
      assert.deepStrictEqual(spread(), [3, 3, 3, 3])
    })
  )

  it.live("has a connection closed that no stream needs any more, and keeps the last one", () =>
    Effect.gen(function* () {
      const { connections, open } = yield* limited(1)
      const streams = yield* open(3)
      assert.strictEqual(connections.length, 3)
      for (const stream of streams) yield* stream.close
      yield* until(() => connections.filter(({ closed }) => closed).length === 2)
      const [again] = yield* open(1)
      yield* sendOver([again!])
      assert.strictEqual(connections.length, 3)
    })
  )

  it.live(
    "may lose one of the connections: its streams come back, and the others notice nothing",
    () =>
      Effect.gen(function* () {
        const { connections, open, server } = yield* limited(4)
        const streams = yield* open(12)
        yield* sendOver(streams)
        const before = yield* Effect.forEach(streams, ({ sessionId }) => sessionId)
        const lost = connections[1]!
        lost.socket.resetAndDestroy()
        yield* until(() => server.connections.length >= 16)
        yield* sendOver(streams)
        const after = yield* Effect.forEach(streams, ({ sessionId }) => sessionId)
        assert.strictEqual(after.filter((id, n) => id !== before[n]).length, 4)
        assert.strictEqual(server.connections.length, 16)
        assert.strictEqual(connections.length, 4)
        assert.strictEqual(server.records.length, 24)
      })
  )

  it.live(
    "is asked for one connection by all who want one together, and for few by those who try again",
    () =>
      Effect.gen(function* () {
        let made = 0
        const refusing = Net.createServer((socket) => void (made++, socket.resetAndDestroy()))
        yield* Effect.acquireRelease(
          Effect.callback<void>(
            (resume) => void refusing.listen(0, "127.0.0.1", () => resume(Effect.void))
          ),
          () => Effect.sync(() => void refusing.close())
        )
        const address = refusing.address() as Net.AddressInfo
        const openAll = (zerobus: ZerobusShape) =>
          Effect.all(
            Array.from({ length: 50 }, () => Effect.flip(zerobus.createStream(A.table))),
            { concurrency: "unbounded" }
          )
        const client = (recoverySchedule: Schedule.Schedule<unknown>) =>
          realClient(`http://127.0.0.1:${address.port}`, {
            connectionPerStream: false,
            stream: { recoverySchedule }
          })
        for (const error of yield* openAll(yield* client(Schedule.recurs(0))))
          A.tagged(error, "Retryable")
        assert.strictEqual(made, 1)
        made = 0
        yield* openAll(yield* client(Schedule.recurs(1)))
        // Each stream tried twice. Second attempts wait for each other, some longer than others.
        assert.isBelow(made, 25)
      })
  )
})
