/**
 * A client whose layer was closed opens no stream, whatever its connections and credentials would
 * do.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { HeadersProvider, Zerobus, type ZerobusShape } from "effect-zerobus"
import * as MemoryTransport from "../../../src/testing/MemoryTransport.ts"
import * as A from "../../support/acceptance.ts"
import { realOptions } from "../../support/realClient.ts"
import { scriptedGrpc } from "../../support/scriptedGrpc.ts"
import { ScriptedServer } from "../../support/scriptedServer.ts"

/** A client in a separate scope, and how to close its layer. */
const closable = <E>(layer: Layer.Layer<Zerobus, E>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const zerobus = Context.get(yield* Layer.build(layer).pipe(Scope.provide(scope)), Zerobus)
    return { zerobus, closeLayer: Scope.close(scope, Exit.void) }
  })

/** All calls that open a stream. */
const openings = (zerobus: ZerobusShape) => [
  zerobus.createStream(A.table),
  zerobus.withStream(A.table, () => Effect.void),
  zerobus.createStream(A.table, { beforeOpen: Effect.die("it ran") })
]

describe("a client whose layer was closed", () => {
  it.effect("refuses streams before it requests headers, and leaves an ended one as it was", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer([A.silent])
      const provider = new A.CountingProvider()
      const { closeLayer, zerobus } = yield* closable(
        Zerobus.layerNoDeps.pipe(
          Layer.provide([
            MemoryTransport.layer(server.serve),
            Layer.succeed(HeadersProvider, provider.shape)
          ])
        )
      )
      const stream = yield* zerobus.createStream(A.table, {
        scopeCloseTimeout: 0,
        flushTimeout: 10
      })
      yield* stream.ingestRecord(A.record(0))
      const closing = yield* A.started(stream.close)
      yield* A.advance(1000)
      A.tagged(closing.error(), "FlushTimeout")
      yield* closeLayer
      for (const opening of [...openings(zerobus), zerobus.recreateStream(stream)]) {
        A.tagged(yield* Effect.flip(opening), "InvalidState")
      }
      assert.strictEqual(provider.asked, 1)
      assert.deepStrictEqual(yield* stream.getUnackedRecords, [A.record(0)])
    })
  )

  for (const connectionPerStream of [true, false]) {
    it.live(
      `refuses streams ${connectionPerStream ? "with connections of their own" : "that share one"}`,
      () =>
        Effect.gen(function* () {
          const server = new ScriptedServer([])
          const { port } = yield* scriptedGrpc(server)
          const options = realOptions(`http://127.0.0.1:${port}`, { connectionPerStream })
          const { closeLayer, zerobus } = yield* closable(Zerobus.layer(options))
          yield* zerobus.withStream(A.table, (stream) => stream.ingestRecord(A.record(0)))
          yield* closeLayer
          for (const opening of openings(zerobus)) {
            const { message } = A.tagged(yield* Effect.flip(opening), "InvalidState")
            assert.include(message, "Open streams in a scope that ends before the layer's.")
          }
          assert.lengthOf(server.connections, 1)
        })
    )
  }
})
