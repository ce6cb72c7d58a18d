/** Faults below gRPC: whatever happens to a connection, the client loses nothing, and the fault really happened. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TableProperties, Zerobus } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { http2Frame, makeFrameEditor } from "../../src/local/frameEditor.ts"

let tables = 0
const total = 300

const soon = { interval: "150 millis", timeout: "150 millis" } as const

/** Ingests over connections of which the first has the faults. `keepalive` is how soon the client notices silence. */
const ingestOver = Effect.fnUntraced(function* (
  faults: ReadonlyArray<Faults.ConnectionFault>,
  keepalive?: typeof soon
) {
  const local = yield* ZerobusLocal
  const table = TableProperties.json(`main.faults.c${tables++}`)
  yield* local.createTable(`${table.tableName}(id BIGINT, text STRING)`)
  yield* local.injectConnection(...faults)
  const { clientId, clientSecret, serverEndpoint, workspaceUrl } = local
  yield* Zerobus.use((zerobus) =>
    zerobus.withStream(
      table,
      { batching: "off", recoveryBackoff: "5 millis", recoveryTimeout: "2 seconds", recoveryRetries: 10 },
      (stream) =>
        Effect.forEach(
          Array.from({ length: total }, (_, id) => ({ id, text: "x".repeat(50) })),
          stream.ingestRecord,
          { discard: true }
        )
    )
  ).pipe(
    Effect.provide(Zerobus.layer({ serverEndpoint, workspaceUrl, clientId, clientSecret, proxy: false, keepalive }))
  )
  const audit = yield* local.audit(table)
  assert.strictEqual(audit.distinctRecords, total)
  assert.strictEqual(audit.ackedButMissing, 0)
  const rows = yield* local.records(table)
  assert.strictEqual(new Set(rows.map((row) => row["id"])).size, total)
  return audit
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("a client", (it) => {
  const cuts: ReadonlyArray<readonly [title: string, fault: Faults.ConnectionFault]> = [
    ["a reset of what it sends", Faults.cutAfterBytes("up", 5000)],
    ["a FIN of what it sends", Faults.cutAfterBytes("up", 5000, "fin")],
    ["silence of what it sends", Faults.cutAfterBytes("up", 5000, "blackHole")],
    ["a reset of the answers", Faults.cutAfterBytes("down", 150)],
    ["a FIN in the middle of a frame", Faults.cutAfterBytes("down", 61, "fin")],
    ["silence of the answers", Faults.cutAfterBytes("down", 150, "blackHole")],
    ["a cut before the first byte", Faults.cutAfterBytes("up", 0)],
    ["GOAWAY with an error", Faults.goAway(11, { nthData: 2, lastStreamId: 0 })],
    ["RST_STREAM", Faults.rstStream(8, { nthData: 2 })],
    ["a refused stream", Faults.rstStream(7, { nthData: 1 })],
    ["an end without trailers", Faults.endWithoutTrailers(2)],
    ["bytes that are no frame", Faults.insertFrames(Buffer.alloc(64, 0xff), 2)]
  ]
  for (const [title, fault] of cuts) {
    it.effect(`survives ${title}`, () =>
      Effect.gen(function* () {
        const audit = yield* ingestOver([fault], soon)
        // A connection that was cut before its first byte never came as far as the table.
        if (title.includes("first byte")) assert.strictEqual(audit.connections, 1)
        else assert.isAtLeast(audit.connections, 2)
      })
    )
  }

  const slow: ReadonlyArray<readonly [title: string, faults: ReadonlyArray<Faults.ConnectionFault>]> = [
    ["answers byte by byte", [Faults.pieces("down", 1)]],
    ["requests in pieces of 7 bytes", [Faults.pieces("up", 7)]],
    ["a slow connection", [Faults.throttle("up", 200_000), Faults.throttle("down", 50_000)]],
    ["GOAWAY without an error", [Faults.goAway(0, { nthData: 2 })]]
  ]
  for (const [title, faults] of slow) {
    it.effect(`goes on over ${title}, without duplicates`, () =>
      Effect.gen(function* () {
        const audit = yield* ingestOver(faults)
        assert.strictEqual(audit.connections, 1)
        assert.strictEqual(audit.duplicates, 0)
      })
    )
  }
})

describe("the frame editor", () => {
  const data = (payload: Uint8Array) => http2Frame(0, 0, 1, payload)
  const settings = http2Frame(4, 0, 0, Buffer.alloc(0))

  it("passes frames on unchanged, however they arrive", () => {
    const bytes = Buffer.concat([settings, data(Buffer.from("one")), data(Buffer.alloc(300, 7)), settings])
    for (let size = 1; size <= bytes.length; size++) {
      const edit = makeFrameEditor([{ _tag: "InsertFrames", nthData: 99, bytes: settings }])
      const out: Array<Uint8Array> = []
      for (let from = 0; from < bytes.length; from += size) out.push(edit(bytes.subarray(from, from + size)))
      assert.isTrue(Buffer.concat(out).equals(bytes), `pieces of ${size}`)
    }
  })

  it("inserts in front of the n-th DATA frame, not counting empty ones", () => {
    const edit = makeFrameEditor([{ _tag: "InsertFrames", nthData: 2, bytes: settings }])
    const [one, two, empty] = [data(Buffer.of(1)), data(Buffer.of(2)), data(Buffer.alloc(0))]
    assert.isTrue(edit(Buffer.concat([one, empty, two])).equals(Buffer.concat([one, empty, settings, two])))
  })

  it("sets END_STREAM, drops pings' answers, and damages prefixes", () => {
    const prefix = Buffer.from([0, 0, 0, 0, 2, 8, 1])
    const ended = makeFrameEditor([{ _tag: "EndWithoutTrailers", nthData: 1 }])(data(prefix))
    assert.strictEqual(ended[4], 1)
    const edit = makeFrameEditor([{ _tag: "IgnorePings" }])
    assert.strictEqual(edit(http2Frame(6, 1, 0, Buffer.alloc(8))).length, 0)
    assert.strictEqual(edit(http2Frame(6, 0, 0, Buffer.alloc(8))).length, 17)
    const damaged = makeFrameEditor([{ _tag: "DamagePrefix", nthData: 1, compressed: true, length: 0x7fffffff }])(
      data(prefix)
    )
    assert.deepStrictEqual([...damaged.subarray(9, 14)], [1, 0x7f, 0xff, 0xff, 0xff])
  })
})
