/**
 * The points of the hardening list that no acceptance scenario covers; the others carry their number beside the scenario's.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option, Redacted, Result, Schedule, Scope } from "effect"
import { HeadersProvider } from "effect-zerobus"
import { MESSAGE_OVERHEAD } from "../src/internal/landing/chunk.ts"
import * as Credentials from "../src/Credentials.ts"
import type { ColumnDefinition } from "../src/internal/columns/columnType.ts"
import { toDescriptorProto } from "../src/internal/protobuf/descriptor.ts"
import * as A from "./support/acceptance.ts"
import { minted, tokenServer } from "./support/tokenServer.ts"
import { makeZone } from "./support/zones.ts"

const single = { batching: "off", recoverySchedule: Schedule.spaced(10) } as const

describe("hardening", () => {
  it.effect("H-10 knows the last queued offset as soon as it is given out, so that a flush never returns early", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, A.silent)
      for (let n = 0; n < 5; n++) {
        const offered = stream.offerUnsafe(A.record(n))
        const flush = yield* A.started(stream.flush)
        assert.isFalse(flush.done())
        server.last.ack(offered!.offset)
        yield* A.settle
        flush.value()
      }
    })
  )

  it.effect("H-27 lets a request that is under way finish during a pause, and counts its acknowledgement", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* A.open(single, { onMessage: (c, message) => c.ack(message.wireOffset) }, {})
      server.last.pause()
      const ack = yield* stream.ingestRecord(A.record(0))
      yield* A.settle
      server.last.closing(1000)
      yield* A.settle
      assert.isTrue(Option.isNone(yield* ack.poll))
      server.last.resume()
      yield* A.settle
      assert.isTrue(Option.isSome(yield* ack.poll))
      assert.deepStrictEqual(
        server.connections.map((connection) => connection.records),
        [[A.record(0)], []]
      )
    })
  )

  it.effect("H-30 gives a second close the first one's result, and lets an opening stream be given up", () =>
    Effect.gen(function* () {
      const { stream } = yield* A.open({ flushTimeout: 10 }, A.silent)
      yield* stream.ingestRecord(A.record(0))
      const first = yield* A.started(stream.close)
      yield* A.advance(10)
      assert.strictEqual(yield* Effect.flip(stream.close), first.error())

      const { server, zerobus } = yield* A.client({ onCreate: () => {} })
      const scope = yield* Scope.make()
      const opening = yield* A.started(Scope.provide(zerobus.createStream(A.table), scope))
      yield* opening.interrupt
      const closing = yield* A.started(Scope.close(scope, Exit.void))
      assert.isTrue(closing.done())
      yield* A.settle
      assert.strictEqual(server.last.resets, 1)
    })
  )

  it.effect("H-34 bounds by count and by bytes over what is queued and in flight together", () =>
    Effect.gen(function* () {
      for (const limits of [{ maxInflightRecords: 4 }, { maxInflightBytes: 4 * (41 + MESSAGE_OVERHEAD) }]) {
        const { server, stream } = yield* A.open({ ...single, ...limits }, A.silent)
        // Two are in flight, two cannot leave.
        for (const text of A.recordsFrom(0, 2)) assert.isDefined(stream.offerUnsafe(text))
        yield* A.settle
        server.last.pause()
        for (const text of A.recordsFrom(2, 2)) assert.isDefined(stream.offerUnsafe(text))
        assert.isUndefined(stream.offerUnsafe(A.record(4)))
        yield* A.settle
        assert.strictEqual(server.writes, 2)
        assert.isUndefined(stream.offerUnsafe(A.record(4)))
        server.last.resume()
      }
    })
  )

  it.effect("H-39 lets go of payloads when they are acknowledged, also after a requeue", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ coalesceRecords: 1 })
      const held = () =>
        (zone as unknown as { readonly window: ReadonlyArray<unknown> }).window.filter(
          (message) => message !== undefined
        )
      for (let n = 0; n < 5000; n++) zone.offerUnsafe(Uint8Array.of(n & 0xff))
      const messages = Array.from({ length: 5000 }, () => zone.nextUnsafe()!)
      // At once, not only when the window is made shorter.
      zone.acknowledgeUnsafe(100)
      assert.strictEqual(held().length, 4900)
      zone.acknowledgeUnsafe(2900)
      assert.strictEqual(held().length, 2000)
      zone.rewindUnsafe()
      for (let n = 0; n < 2000; n++) assert.strictEqual(zone.nextUnsafe(), messages[3000 + n])
      zone.acknowledgeUnsafe(2000)
      assert.strictEqual(held().length, 0)
      for (const message of messages) assert.strictEqual(message.chunk.references, 0)
    })
  )

  it.effect("H-40 puts a window of a million back without touching what is in it", () =>
    Effect.gen(function* () {
      const zone = yield* makeZone({ coalesceRecords: 1, maxInflightBytes: 1024 ** 3 })
      const record = new Uint8Array(1)
      for (let n = 0; n < 1_000_000; n++) zone.offerUnsafe(record)
      for (let n = 0; n < 1_000_000; n++) zone.nextUnsafe()
      const window = (zone as unknown as { readonly window: ReadonlyArray<unknown> }).window
      const first = window[0]
      zone.rewindUnsafe()
      // The same array with the same messages: nothing was moved or made.
      assert.strictEqual((zone as unknown as { readonly window: ReadonlyArray<unknown> }).window, window)
      assert.strictEqual(zone.toReplay, 1_000_000)
      assert.strictEqual(zone.nextUnsafe(), first)
    })
  )

  it.effect("H-43 has ended before onUnacked is called: the records can be read and the end is known there", () =>
    Effect.gen(function* () {
      const { zerobus } = yield* A.client(A.silent)
      const scope = yield* Scope.make()
      const seen: Array<unknown> = []
      let look: Effect.Effect<void> = Effect.void
      const stream = yield* zerobus
        .createStream(A.table, { scopeCloseTimeout: 0, onUnacked: () => look })
        .pipe(Scope.provide(scope))
      const ack = yield* stream.ingestRecord(A.record(0))
      look = Effect.gen(function* () {
        seen.push(yield* stream.getUnackedRecords, (yield* Effect.flip(ack.await))._tag)
      }).pipe(Effect.orDie)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, [[A.record(0)], "StreamClosed"])
    })
  )

  it.live("H-48 takes a refusal by the token endpoint as final, over one request", () =>
    Effect.gen(function* () {
      const tokens = yield* tokenServer({ status: 401, body: "no" }, minted("t0"))
      const credentials = yield* Layer.build(
        Credentials.layer({
          serverEndpoint: "https://1.example",
          workspaceUrl: tokens.url,
          clientId: "client",
          clientSecret: Redacted.make("secret"),
          proxy: false
        })
      )
      const { server, zerobus } = yield* A.client()
      const headersProvider = Context.get(credentials, HeadersProvider)
      const creating = zerobus.createStream(A.table, { headersProvider, recoverySchedule: Schedule.spaced(1) })
      A.tagged(yield* Effect.flip(creating), "InvalidToken")
      assert.deepStrictEqual([tokens.requests.length, server.connections.length], [1, 0])
    })
  )

  const mapOf = (name: string): ColumnDefinition => ({
    name,
    nullable: true,
    type: {
      _tag: "Map",
      key: { _tag: "String" },
      value: { _tag: "Int" },
      valueContainsNull: false
    }
  })
  const descriptorOf = (columns: ReadonlyArray<ColumnDefinition>) => toDescriptorProto({ name: "a.b.c", columns })

  it("H-54 names map entries by protobuf's rule and reports two that would have one name", () => {
    const good = descriptorOf([mapOf("user_tags")])
    assert.include(Buffer.from(Result.getOrThrow(good)).toString("latin1"), "UserTagsEntry")
    const clash = descriptorOf([mapOf("user_tags"), mapOf("userTags")])
    assert.isTrue(Result.isFailure(clash))
    if (Result.isFailure(clash)) assert.match(clash.failure, /user_?tags/i)
  })

  it("H-55 refuses field numbers that protobuf does not have, by the columns' names", () => {
    const at = (...positions: ReadonlyArray<number>) =>
      descriptorOf(
        positions.map((position, n) => ({ name: `column_${n}`, nullable: true, type: { _tag: "Int" }, position }))
      )
    assert.isTrue(Result.isSuccess(at(0, 5)))
    for (const bad of [at(3, 3), at(18_999), at(19_998), at(2 ** 29 - 1)]) {
      assert.isTrue(Result.isFailure(bad))
      if (Result.isFailure(bad)) assert.include(bad.failure, "column_")
    }
  })
})
