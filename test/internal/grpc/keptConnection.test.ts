/**
 * A connection of one call that is kept for the next: when it is kept, and when a new one is made.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Effect, Exit, Fiber, Scope } from "effect"
import { StreamPool } from "effect-zerobus"
import { channelSettings } from "../../../src/internal/grpc/grpcChannel.ts"
import { OwnConnections } from "../../../src/internal/grpc/grpcConnections.ts"
import { Zerobus } from "../../../src/Zerobus.ts"
import * as A from "../../support/acceptance.ts"
import { realClient, realOptions } from "../../support/realClient.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { code, type Script, ScriptedServer } from "../../support/scriptedServer.ts"
import { tableOf } from "../../support/tablesServer.ts"

const names = ["a", "b", "c", "d", "e"]

/**
 * One record for each of five tables, through a pool with one slot. Returns what the server
 * received of their calls.
 */
const throughOneSlot = (...scripts: ReadonlyArray<Script>) =>
  Effect.gen(function* () {
    const server = new ScriptedServer(scripts)
    const { peers, port } = yield* scriptedGrpc(server)
    const zerobus = yield* realClient(`http://127.0.0.1:${port}`)
    const pool = yield* StreamPool.make({
      maxOpen: 1,
      idleTimeToLive: "1 minute",
      stream: { recoveryRetries: 10, recoveryBackoff: "1 millis", recoverySchedule: undefined }
    }).pipe(Effect.provideService(Zerobus, zerobus))
    const acks = yield* Effect.forEach(names, (name, n) => pool.ingest(tableOf(name), A.record(n)))
    yield* Effect.forEach(acks, (ack) => ack.await)
    return { peers, server }
  })

describe("a kept connection", () => {
  it.live("carries the visits of a pool one after another", () =>
    Effect.gen(function* () {
      const { peers, server } = yield* throughOneSlot()
      assert.strictEqual(peers.length, names.length)
      assert.strictEqual(new Set(peers).size, 1)
      assert.deepStrictEqual(server.records, A.recordsFrom(0, names.length))
      assert.deepStrictEqual(
        server.connections.flatMap(({ violations }) => violations),
        []
      )
      // Each call ended by its half-close and the server's OK, never by a reset.
      assert.isTrue(server.connections.every(({ resets }) => resets === 0))
    })
  )

  it.live(
    "is not kept where the server failed the call, and the next one carries all waiting records",
    () =>
      Effect.gen(function* () {
        const refuses: Script = { onHalfClose: (connection) => connection.fail(code.UNAVAILABLE) }
        const { peers, server } = yield* throughOneSlot(refuses, {})
        assert.strictEqual(new Set(peers).size, 2)
        assert.notStrictEqual(peers[0], peers[1])
        assert.deepStrictEqual(server.records, A.recordsFrom(0, names.length))
      })
  )

  it.live("is not kept where the server requested another one", () =>
    Effect.gen(function* () {
      const rotates: Script = {
        onHalfClose: (connection) => {
          connection.closing(0)
          connection.end()
        }
      }
      const { peers, server } = yield* throughOneSlot(rotates, {})
      assert.strictEqual(new Set(peers).size, 2)
      assert.notStrictEqual(peers[0], peers[1])
      assert.deepStrictEqual(server.records, A.recordsFrom(0, names.length))
    })
  )

  it.live("is given to no call once it was lost", () =>
    Effect.gen(function* () {
      const server = yield* Scope.make()
      const { port } = yield* Scope.provide(scriptedGrpc(new ScriptedServer([])), server)
      const settings = yield* channelSettings(realOptions(`http://127.0.0.1:${port}`))
      const connections = new OwnConnections(settings)
      yield* Effect.addFinalizer(() => Effect.sync(() => connections.closeUnsafe()))
      const { connection } = connections.holdUnsafe()
      const channel = connection.client.getChannel()
      yield* Effect.callback<void, Error>((resume) =>
        connection.client.waitForReady(Infinity, (error) =>
          resume(error ? Effect.fail(error) : Effect.void)
        )
      )
      const leave = () => {
        connection.spare = true
        connections.giveUnsafe(connection)
      }
      leave()
      assert.strictEqual(connections.holdUnsafe().connection, connection)
      leave()
      const lost = Effect.callback<void>((resume) =>
        channel.watchConnectivityState(Grpc.connectivityState.READY, Infinity, () =>
          resume(Effect.void)
        )
      )
      const losing = yield* Effect.forkChild(lost)
      yield* Scope.close(server, Exit.void)
      yield* Fiber.join(losing)
      const other = connections.holdUnsafe().connection
      assert.notStrictEqual(other, connection)
      assert.isTrue(connection.closed)
      connections.giveUnsafe(other)
      assert.isTrue(other.closed)
    })
  )

  it.live("is not kept for streams that the program closes", () =>
    Effect.gen(function* () {
      const { peers, port } = yield* scriptedGrpc(new ScriptedServer([]))
      const zerobus = yield* realClient(`http://127.0.0.1:${port}`)
      for (const name of names) {
        const stream = yield* zerobus.createStream(tableOf(name))
        yield* stream.close
      }
      assert.strictEqual(new Set(peers).size, names.length)
    })
  )
})
