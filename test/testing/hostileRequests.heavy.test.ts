/**
 * Ten thousand random hostile requests: each receives a typed status, memory stays bounded, and the
 * server serves the next call.
 */
import * as Grpc from "@grpc/grpc-js"
import { assert, it } from "@effect/vitest"
import { Effect, Random, Schedule } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"
import { databricks } from "../generated/zerobus_service.js"
import { collect } from "../support/garbage.ts"
import { headersFor, openCreated } from "../support/rawStream.ts"

const { EphemeralStreamRequest } = databricks.zerobus
const total = 10000
const concurrency = 20
const table = "main.default.orders"
const allowedGrowth = 16 * 1024 * 1024

/**
 * Bytes in use after a collection. Client and server share the process, so the memory of both
 * counts.
 */
const heldBytes = Effect.gen(function* () {
  // Closed calls release their buffers a few turns later.
  for (let n = 0; n < 20; n++) yield* Effect.yieldNow
  collect()
  const { arrayBuffers, external, heapUsed } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
})

type Kind =
  | "malformed"
  | "giantLength"
  | "pathName"
  | "headerFlood"
  | "wrongOrder"
  | "badRecord"
  | "madeUpToken"
const kinds: ReadonlyArray<Kind> = [
  "malformed",
  "giantLength",
  "pathName",
  "headerFlood",
  "wrongOrder",
  "badRecord",
  "madeUpToken"
]
const paths = [
  "../../etc/passwd",
  "a/b.c.d",
  "..",
  "main.default.",
  "C:\\x.y.z",
  "main.default.con x",
  "%2e%2e.a.b",
  `${"a".repeat(300)}.b.c`
]

const between = (from: number, to: number) => Random.nextIntBetween(from, to, { halfOpen: true })
const randomBytes = Effect.fnUntraced(function* (most: number) {
  const length = yield* between(1, most)
  return Uint8Array.from(yield* Effect.forEach(Array.from({ length }), () => between(0, 256)))
})
const pick = <A>(all: ReadonlyArray<A>) => Effect.map(between(0, all.length), (n) => all[n]!)

it.live(
  `${total} hostile requests`,
  () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      yield* local.createTable(`${table}(id BIGINT)`)
      const valid = yield* headersFor(local, table)
      const client = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new Grpc.Client(new URL(local.serverEndpoint).host, Grpc.credentials.createInsecure())
        ),
        (client) => Effect.sync(() => client.close())
      )
      const create = Buffer.from(
        EphemeralStreamRequest.encode({
          createStream: { tableName: table, recordType: 2 }
        }).finish()
      )

      /** Sends messages, the later ones after the first answer, and returns the status. */
      const call = (
        headers: Readonly<Record<string, string>>,
        messages: ReadonlyArray<Uint8Array>,
        waits: boolean
      ) =>
        Effect.callback<number>((resume) => {
          const metadata = new Grpc.Metadata()
          for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
          const stream = client.makeBidiStreamRequest(
            "/databricks.zerobus.Zerobus/EphemeralStream",
            (bytes: Buffer) => bytes,
            (bytes) => bytes,
            metadata
          )
          const send = (some: ReadonlyArray<Uint8Array>) =>
            some.forEach((bytes) => stream.write(Buffer.from(bytes)))
          stream.on("data", () => {
            if (waits) send(messages.slice(1))
          })
          stream.on("error", () => {})
          stream.on("status", (status) => resume(Effect.succeed(status.code)))
          send(waits ? messages.slice(0, 1) : messages)
          return Effect.sync(() => stream.cancel())
        })

      const hostile = Effect.fnUntraced(function* (kind: Kind) {
        switch (kind) {
          case "malformed":
            return yield* call(valid, [create, yield* randomBytes(64)], true)
          case "giantLength": {
            const field = yield* pick([0x0a, 0x12, 0x1a])
            return yield* call(
              valid,
              [create, Uint8Array.of(field, 0xff, 0xff, 0xff, 0xff, 0x07, 8)],
              true
            )
          }
          case "pathName":
            return yield* call(
              { ...valid, "x-databricks-zerobus-table-name": yield* pick(paths) },
              [create],
              false
            )
          case "headerFlood": {
            const flood = Object.fromEntries(
              Array.from({ length: 100 }, (_, n) => [`x-flood-${n}`, "y".repeat(500)])
            )
            return yield* call({ ...valid, ...flood }, [Uint8Array.of(0xff)], false)
          }
          case "wrongOrder":
            return yield* call(
              valid,
              [yield* pick([create.subarray(0, 5), Uint8Array.of(0x12, 2, 8, 0)])],
              false
            )
          case "badRecord": {
            const jsonRecord = yield* pick([
              '{"id":"x"}',
              "{",
              "[]",
              "null",
              "",
              '{"id":1,"id2":2}',
              "true"
            ])
            const offsetId = yield* between(0, 2)
            return yield* call(
              valid,
              [
                create,
                EphemeralStreamRequest.encode({ ingestRecord: { offsetId, jsonRecord } }).finish()
              ],
              true
            )
          }
          case "madeUpToken": {
            const token = Buffer.from(yield* randomBytes(40)).toString("base64url")
            return yield* call({ ...valid, authorization: `Bearer ${token}.x` }, [create], false)
          }
        }
      })

      yield* hostile("malformed")
      const before = yield* heldBytes
      const seen = new Map<string, number>()
      yield* Effect.forEach(
        Array.from({ length: total }, (_, n) => kinds[n % kinds.length]!),
        Effect.fnUntraced(function* (kind) {
          const code = yield* hostile(kind)
          const key = `${kind} ${code}`
          seen.set(key, (seen.get(key) ?? 0) + 1)
        }),
        { concurrency, discard: true }
      )
      const expected: Record<Kind, ReadonlyArray<number>> = {
        malformed: [3],
        giantLength: [3],
        pathName: [3],
        // The transport itself refuses what exceeds its limit of header bytes.
        headerFlood: [3, 8, 13, 14],
        wrongOrder: [3],
        badRecord: [3],
        madeUpToken: [16]
      }
      for (const key of seen.keys()) {
        const [kind, code] = key.split(" ") as [Kind, string]
        assert.include(expected[kind], Number(code), `${key}, ${seen.get(key)} times`)
      }
      // The last calls release their buffers when their sockets are closed; leaked memory stays.
      const grown = yield* Effect.repeat(
        Effect.map(heldBytes, (held) => held - before),
        { until: (bytes) => bytes < allowedGrowth, times: 100, schedule: Schedule.spaced(100) }
      )
      assert.isBelow(grown, allowedGrowth)
      const { stream } = yield* openCreated(local, table)
      yield* stream.send({ ingestRecord: { offsetId: 0, jsonRecord: '{"id":1}' } })
      assert.strictEqual((yield* stream.next).ingestRecordResponse?.durabilityAckUpToOffset, 0)
      assert.strictEqual((yield* local.counters).openStreams, 1)
      assert.strictEqual((yield* local.records(table)).length, 1)
    }).pipe(Effect.provide(ZerobusLocal.layerServerMemory()), Random.withSeed("hostile")),
  300_000
)
