/**
 * The memory of requests is reused once they are stored. Requests that wait for a fault, for
 * another thread or for the reader of an audit keep their bytes, regardless of later requests.
 */
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem } from "effect"
import { Faults, ZerobusLocal, type ZerobusLocalShape } from "effect-zerobus/testing"
import { openCreated } from "../../support/rawStream.ts"

const table = "main.default.texts"

/**
 * Every message has distinct texts: short ones, some that span several chunks, and some for the
 * other thread.
 */
const sizes = [10, 40_000, 70, 20_000, 1_200_000, 30_000, 10, 60_000, 300_000, 40_000]
const textOf = (n: number): string =>
  `${n}-${String.fromCharCode(97 + (n % 26)).repeat(sizes[n % sizes.length]!)}`
const count = 60

const messages = Array.from({ length: count }, (_, n) => [
  `{"n":${2 * n},"text":"${textOf(n)}"}`,
  `{"n":${2 * n + 1}}`
])

const ingestAll = Effect.fnUntraced(function* (local: ZerobusLocalShape) {
  yield* local.createTable(`${table}(n INT, text STRING)`)
  yield* local.inject(table, Faults.hold("message", 5))
  const { stream } = yield* openCreated(local, table)
  for (const [offsetId, records] of messages.entries()) {
    yield* stream.send({ ingestRecordBatch: { offsetId, jsonBatch: { records } } })
    if (offsetId === 30) {
      yield* local.waitFor(table, "held")
      yield* local.release(table)
    }
  }
  yield* stream.halfClose
  assert.strictEqual((yield* stream.end).code, 0)
  const rows = (yield* local.records(table)) as ReadonlyArray<{
    readonly n: number
    readonly text: string | null
  }>
  const texts = new Map(rows.map(({ n, text }) => [n, text]))
  assert.strictEqual(rows.length, 2 * count)
  for (let n = 0; n < count; n++) {
    assert.isTrue(texts.get(2 * n) === textOf(n), `the text of message ${n}`)
    assert.isNull(texts.get(2 * n + 1))
  }
})

const checkWith = (layer: ReturnType<typeof ZerobusLocal.layerServer>, hasAudit: boolean) =>
  Effect.gen(function* () {
    const local = yield* ZerobusLocal
    yield* ingestAll(local)
    const { complete, perConnection } = yield* local.audit(table)
    assert.strictEqual(complete, hasAudit)
    if (!hasAudit) return
    assert.deepStrictEqual(
      perConnection[0]!.received.map((records) =>
        records.map((record) => Buffer.from(record).toString())
      ),
      messages
    )
  }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))

describe("requests of all sizes, some of them held by a fault", () => {
  it.live("are what the table in memory holds", () =>
    checkWith(ZerobusLocal.layerServerMemory({ auditBytes: 0 }), false)
  )

  it.live("are what an audit of the table in memory holds", () =>
    checkWith(ZerobusLocal.layerServerMemory({ auditBytes: 100_000_000 }), true)
  )

  it.live("are what the table on disk holds", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "zerobus-requests-" })
      yield* checkWith(ZerobusLocal.layerServer({ dataDir, auditBytes: 0 }), false)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
