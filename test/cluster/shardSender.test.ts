/**
 * The sender in isolation, on a virtual clock: it sends one batch per shard at a time until the
 * owner has replied, and every record gets a result.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { ClusterError, EntityAddress, EntityId, EntityType, ShardId } from "effect/cluster"
import { TestClock } from "effect/testing"
import { InvalidArgument, type ZerobusError } from "effect-zerobus"
import type { Outcome } from "../../src/cluster/shardProtocol.ts"
import { makeSender, type SendBatch, type SenderOptions } from "../../src/cluster/shardSender.ts"

const options: SenderOptions = { maxRecords: 3, maxBytes: 10, timeout: 60_000, closeTimeout: 1000 }
const address = EntityAddress.make({
  shardId: ShardId.make("default", 1),
  entityType: EntityType.make("type"),
  entityId: EntityId.make("0")
})

interface Sent {
  readonly shard: number
  readonly text: string
  readonly stored: boolean
  readonly reply: Deferred.Deferred<Outcome | undefined, Effect.Error<ReturnType<SendBatch>>>
}

/** A sender, and the batches that it has sent. */
const start = Effect.gen(function* () {
  const sent: Array<Sent> = []
  const accept = yield* makeSender((shard, records, stored) => {
    const reply: Sent["reply"] = Deferred.makeUnsafe()
    sent.push({ shard, text: Buffer.from(records).toString(), stored, reply })
    return Deferred.await(reply)
  }, options)
  const ingest = (shard: number, text: string, stored = false) =>
    Effect.callback<void, ZerobusError>((resume) => {
      if (!accept(shard, { content: Buffer.from(text), stored, done: resume }))
        resume(Effect.die("closed"))
    })
  return { sent, ingest, accept }
})

const turn = Effect.yieldNow.pipe(Effect.repeat({ times: 10 }))
const all = (settled: number): Outcome => ({ settled, refused: [] })
const texts = (sent: ReadonlyArray<Sent>) => sent.map(({ shard, text }) => `${shard}:${text}`)

describe("the sender of shards", () => {
  it.effect("sends one batch per shard at a time and packs records that arrive in between", () =>
    Effect.gen(function* () {
      const { ingest, sent } = yield* start
      const first = yield* Effect.forkChild(ingest(1, "0"))
      yield* turn
      const fibers = yield* Effect.forEach(["a", "b", "c", "d"], (text) =>
        Effect.forkChild(ingest(1, text))
      )
      const other = yield* Effect.forkChild(ingest(2, "x"))
      yield* turn
      assert.deepStrictEqual(texts(sent), ["1:0", "2:x"])
      yield* Deferred.succeed(sent[0]!.reply, all(1))
      yield* turn
      assert.deepStrictEqual(texts(sent), ["1:0", "2:x", "1:abc"])
      yield* Deferred.succeed(sent[2]!.reply, all(3))
      yield* turn
      assert.deepStrictEqual(texts(sent), ["1:0", "2:x", "1:abc", "1:d"])
      yield* Deferred.succeed(sent[1]!.reply, all(1))
      yield* Deferred.succeed(sent[3]!.reply, all(1))
      yield* Fiber.join(first)
      yield* Fiber.joinAll([...fibers, other])
    })
  )

  it.effect(
    "bounds a batch by bytes, sends a larger record alone, and never mixes stored records " +
      "with others",
    () =>
      Effect.gen(function* () {
        const { ingest, sent } = yield* start
        const given = [
          ["0", false],
          ["123456", false],
          ["7890", false],
          ["1", false],
          ["a record of many bytes", false],
          ["s", true],
          ["t", true],
          ["v", false]
        ] as const
        const fibers = yield* Effect.forEach(given, ([text, stored]) =>
          Effect.forkChild(ingest(0, text, stored))
        )
        for (let i = 0; i < 6; i++) {
          yield* turn
          yield* Deferred.succeed(sent[i]!.reply, sent[i]!.stored ? undefined : all(9))
        }
        yield* Fiber.joinAll(fibers)
        assert.deepStrictEqual(texts(sent), [
          "0:0",
          "0:1234567890",
          "0:1",
          "0:a record of many bytes",
          "0:st",
          "0:v"
        ])
        assert.deepStrictEqual(
          sent.map(({ stored }) => stored),
          [false, false, false, false, true, false]
        )
      })
  )

  it.effect("returns the result of each record of a batch", () =>
    Effect.gen(function* () {
      const { ingest, sent } = yield* start
      yield* Effect.forkChild(ingest(0, "0"))
      yield* turn
      const fibers = yield* Effect.forEach(["a", "b", "c"], (text) =>
        Effect.forkChild(ingest(0, text))
      )
      yield* Deferred.succeed(sent[0]!.reply, all(1))
      yield* turn
      const refusal = new InvalidArgument({ message: "refused", path: [] })
      const failure = new InvalidArgument({ message: "ended", path: [] })
      yield* Deferred.succeed(sent[1]!.reply, {
        settled: 2,
        refused: [{ index: 1, error: refusal }],
        failure
      })
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(exits, [Exit.void, Exit.fail(refusal), Exit.fail(failure)])
    })
  )

  it.effect.each([
    ["an interrupted one", Cause.interrupt()],
    ["one for a full mailbox", Cause.fail(new ClusterError.MailboxFull({ address }))],
    [
      "one that is being processed",
      Cause.fail(new ClusterError.AlreadyProcessingMessage({ address, envelopeId: 1n as never }))
    ]
  ] as const)("sends a batch again until its owner replies: %s", ([, cause]) =>
    Effect.gen(function* () {
      const { ingest, sent } = yield* start
      const first = yield* Effect.forkChild(ingest(0, "a"))
      yield* turn
      const second = yield* Effect.forkChild(ingest(0, "b"))
      for (let i = 0; i < 20; i++) {
        yield* Deferred.failCause(sent[i]!.reply, cause)
        yield* TestClock.adjust("2 seconds")
      }
      assert.deepStrictEqual(new Set(texts(sent)), new Set(["0:a"]), "later records wait")
      yield* Deferred.succeed(sent.at(-1)!.reply, all(1))
      yield* turn
      yield* Deferred.succeed(sent.at(-1)!.reply, all(1))
      yield* Fiber.joinAll([first, second])
      assert.lengthOf(sent, 22)
    })
  )

  it.effect(
    "returns records with a reason when the storage fails, the cluster is closed, or no reply " +
      "comes in time",
    () =>
      Effect.gen(function* () {
        const { ingest, sent } = yield* start
        const stored = yield* Effect.forkChild(Effect.flip(ingest(0, "a", true)))
        const unowned = yield* Effect.forkChild(Effect.flip(ingest(1, "b")))
        const late = yield* Effect.forkChild(Effect.flip(ingest(2, "c")))
        const broken = yield* Effect.forkChild(Effect.exit(ingest(3, "d")))
        yield* turn
        yield* Deferred.fail(
          sent[0]!.reply,
          new ClusterError.PersistenceError({ cause: new Error("disk") })
        )
        yield* Deferred.fail(
          sent[1]!.reply,
          new ClusterError.EntityNotAssignedToRunner({ address })
        )
        yield* Deferred.die(sent[3]!.reply, "defect")
        yield* TestClock.adjust("59 seconds")
        assert.isUndefined(late.pollUnsafe())
        yield* TestClock.adjust("1 second")
        const reasonOf = (error: ZerobusError) =>
          error._tag === "Retryable" ? error.reason._tag : error._tag
        assert.strictEqual(reasonOf(yield* Fiber.join(stored)), "SpoolUnavailable")
        assert.strictEqual(reasonOf(yield* Fiber.join(unowned)), "StreamClosed")
        assert.strictEqual(reasonOf(yield* Fiber.join(late)), "AckTimeout")
        assert.deepStrictEqual(yield* Fiber.join(broken), Exit.die("defect"))
      })
  )

  it.effect("sends waiting records when it closes, and returns the rest", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { accept, ingest, sent } = yield* Scope.provide(start, scope)
      const done = yield* Effect.forkChild(ingest(0, "a"))
      const left = yield* Effect.forkChild(Effect.flip(ingest(1, "x")))
      yield* turn
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* turn
      assert.isFalse(accept(0, { content: Buffer.from("late"), stored: false, done: () => {} }))
      yield* Deferred.succeed(sent[0]!.reply, all(1))
      yield* turn
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.deepInclude(yield* Fiber.join(left), { _tag: "StreamClosed" })
      yield* Fiber.join(done)
    })
  )
})
