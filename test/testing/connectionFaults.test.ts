/**
 * Faults below gRPC: the client loses nothing, and the fault really happens.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TableProperties, Zerobus, type ZerobusOptions } from "effect-zerobus"
import { Faults, ZerobusLocal } from "effect-zerobus/testing"
import { connect } from "node:net"
import { faultySocket } from "../../src/local/faults/faultySocket.ts"
import { http2Frame, makeFrameEditor } from "../../src/local/faults/frameEditor.ts"
import { listen } from "../../src/local/endpoints/listener.ts"
import { makeTimers } from "../../src/local/timers.ts"

let tables = 0
const total = 300

const soon = { interval: "150 millis", timeout: "150 millis" } as const

/**
 * Ingests over connections; the first one has the faults. `keepalive` sets how soon the client
 * detects silence.
 */
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
      {
        batching: "off",
        recoveryBackoff: "5 millis",
        recoveryTimeout: "2 seconds",
        recoveryRetries: 10
      },
      (stream) =>
        Effect.forEach(
          Array.from({ length: total }, (_, id) => ({ id, text: "x".repeat(50) })),
          stream.ingestRecord,
          { discard: true }
        )
    )
  ).pipe(
    Effect.provide(
      Zerobus.layer({
        serverEndpoint,
        workspaceUrl,
        clientId,
        clientSecret,
        proxy: false,
        keepalive
      })
    )
  )
  const audit = yield* local.audit(table)
  assert.strictEqual(audit.distinctRecords, total)
  assert.strictEqual(audit.ackedButMissing, 0)
  assert.strictEqual(audit.unexplainedDuplicates, 0)
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
    ["bytes that are no frame", Faults.insertFrames(Buffer.alloc(64, 0xff), 2)],
    ["silence of what it sends alone", Faults.cutAfterBytes("up", 5000, "halfOpen")],
    ["silence of the answers alone", Faults.cutAfterBytes("down", 150, "halfOpen")],
    ["pings without an answer", Faults.ignorePings],
    ["trailers with a header of 1 MB", Faults.largeHeader(1_000_000, { nthData: 2 })],
    [
      "frames of 100 bytes, which HTTP/2 forbids",
      Faults.settings({ maxFrameSize: 100 }, { nthData: 2 })
    ]
  ]
  for (const [title, fault] of cuts) {
    it.effect(`survives ${title}`, () =>
      Effect.gen(function* () {
        // Pings matter only on a silent connection, so another fault makes it silent.
        const silence = fault === Faults.ignorePings ? [Faults.throttle("up", 2000)] : []
        const audit = yield* ingestOver([fault, ...silence], soon)
        // A connection cut before its first byte never reaches the table.
        if (title.includes("first byte")) assert.strictEqual(audit.connections, 1)
        else assert.isAtLeast(audit.connections, 2)
      })
    )
  }

  const broken: ReadonlyArray<
    readonly [title: string, fault: Faults.ConnectionFault, message: RegExp]
  > = [
    [
      "a compressed message",
      Faults.damagePrefix({ nthData: 2, compressed: true }),
      /compressed response/
    ],
    [
      "a message longer than allowed",
      Faults.damagePrefix({ nthData: 2, length: 0x7fffffff }),
      /more than 1048576 bytes/
    ]
  ]
  for (const [title, fault, message] of broken) {
    it.effect(`is told that the protocol is broken by ${title}`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(ingestOver([fault]))
        assert.strictEqual(failure._tag, "ProtocolViolation")
        assert.match(failure.message, message)
      })
    )
  }

  const slow: ReadonlyArray<
    readonly [title: string, faults: ReadonlyArray<Faults.ConnectionFault>]
  > = [
    ["answers byte by byte", [Faults.pieces("down", 1)]],
    ["requests in pieces of 7 bytes", [Faults.pieces("up", 7)]],
    ["a slow connection", [Faults.throttle("up", 200_000), Faults.throttle("down", 50_000)]],
    ["GOAWAY without an error", [Faults.goAway(0, { nthData: 2 })]],
    [
      "GOAWAY announced, then with the number of its call",
      [Faults.goAway(0, { nthData: 2 }), Faults.goAway(0, { nthData: 3, lastStreamId: 1 })]
    ],
    ["frames divided in their headers", [Faults.splitFrames("header")]],
    ["frames divided in the prefixes of messages", [Faults.splitFrames("prefix")]],
    ["a call that says something after its end", [Faults.ackAfterEnd(7)]],
    ["a window of 100 bytes", [Faults.settings({ initialWindowSize: 100 }, { nthData: 2 })]],
    [
      "a window that closes and opens again",
      [
        Faults.settings({ initialWindowSize: 0 }, { nthData: 2 }),
        Faults.settings({ initialWindowSize: 65_535 }, { nthData: 3 })
      ]
    ],
    ["larger frames", [Faults.settings({ maxFrameSize: 1_048_576 }, { nthData: 2 })]],
    [
      "no further call allowed, and nothing remembered of headers",
      [
        Faults.settings(
          { maxConcurrentStreams: 0, headerTableSize: 0, maxHeaderListSize: 4096 },
          { nthData: 2 }
        )
      ]
    ]
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

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })("changed settings", (it) => {
  const client = (local: ZerobusLocal["Service"], options: Partial<ZerobusOptions>) => {
    const { clientId, clientSecret, serverEndpoint, workspaceUrl } = local
    return Zerobus.layer({
      serverEndpoint,
      workspaceUrl,
      clientId,
      clientSecret,
      proxy: false,
      ...options
    })
  }

  it.effect("that close the window for good stop the client, which notices", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const table = TableProperties.json(`main.faults.c${tables++}`)
      yield* local.createTable(`${table.tableName}(id BIGINT, text STRING)`)
      yield* local.injectConnection(Faults.settings({ initialWindowSize: 0 }, { nthData: 2 }))
      const options = {
        batching: "off",
        recoveryBackoff: "5 millis",
        serverLackOfAckTimeout: "200 millis"
      } as const
      yield* Zerobus.use((zerobus) =>
        zerobus.withStream(table, options, (stream) =>
          Effect.gen(function* () {
            const first = yield* stream.ingestRecord({ id: 0, text: "" })
            yield* first.await
            for (let id = 1; id < 20; id++)
              yield* stream.ingestRecord({ id, text: "x".repeat(1000) })
          })
        )
      ).pipe(Effect.provide(client(local, {})))
      const audit = yield* local.audit(table)
      assert.deepInclude(audit, {
        connections: 2,
        distinctRecords: 20,
        duplicates: 0,
        ackedButMissing: 0
      })
      assert.strictEqual(audit.perConnection[0]?.receivedMessages, 1, "nothing came through")
    })
  )

  it.effect("that allow no further call bring a shared connection a second one", () =>
    Effect.gen(function* () {
      const local = yield* ZerobusLocal
      const table = TableProperties.json(`main.faults.c${tables++}`)
      yield* local.createTable(`${table.tableName}(id BIGINT, text STRING)`)
      yield* local.injectConnection(Faults.settings({ maxConcurrentStreams: 1 }, { nthData: 2 }))
      yield* Effect.gen(function* () {
        const zerobus = yield* Zerobus
        const first = yield* zerobus.createStream(table)
        yield* (yield* first.ingestRecord({ id: 0 })).await
        const second = yield* zerobus.createStream(table, { recovery: false })
        yield* (yield* second.ingestRecord({ id: 1 })).await
        yield* (yield* first.ingestRecord({ id: 2 })).await
      }).pipe(Effect.scoped, Effect.provide(client(local, { connectionPerStream: false })))
      assert.deepInclude(yield* local.audit(table), {
        connections: 2,
        distinctRecords: 3,
        duplicates: 0
      })
    })
  )

  it.effect("are refused above the window of the server", () =>
    Effect.sync(() =>
      assert.throws(() => Faults.settings({ initialWindowSize: 65_536 }), RangeError, /65535/)
    )
  )
})

layer(ZerobusLocal.layerServerMemory(), { excludeTestServices: true })(
  "every code of RST_STREAM",
  (it) => {
    for (let code = 0; code <= 13; code++) {
      it.effect(`${code} costs the connection and no record`, () =>
        Effect.gen(function* () {
          const audit = yield* ingestOver([Faults.rstStream(code, { nthData: 3 })], soon)
          assert.strictEqual(audit.connections, 2)
        })
      )
    }
  }
)

describe("a connection that is silent one way", () => {
  for (const direction of ["up", "down"] as const) {
    it.live(`passes what goes the other way: ${direction}`, () =>
      Effect.gen(function* () {
        const got = { up: "", down: "" }
        const { promise, resolve } = Promise.withResolvers<void>()
        const timers = makeTimers(yield* Clock.Clock)
        const server = yield* listen({
          host: "127.0.0.1",
          port: 0,
          accept: (socket) => {
            const faulty = faultySocket(
              socket,
              [{ _tag: "CutAfter", direction, bytes: 3, how: "halfOpen" }],
              timers
            )
            faulty.on("data", (bytes: Buffer) => {
              got.up += bytes.toString()
              // One turn later, when one direction is already silent.
              if (got.up === "ple" || got.up === "please")
                setImmediate(() => faulty.write("answer"))
              if (got.up === "pleasemore") resolve()
            })
          }
        })
        const client = connect(server.port, "127.0.0.1")
        yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
        client.on("data", (bytes) => {
          got.down += bytes.toString()
          if (got.down === "ans") client.write("more")
          if (got.down === "answer") resolve()
        })
        client.write("please")
        yield* Effect.promise(() => promise)
        assert.deepStrictEqual(
          got,
          direction === "up" ? { up: "ple", down: "answer" } : { up: "pleasemore", down: "ans" }
        )
        assert.isFalse(client.destroyed)
      })
    )
  }
})

describe("the frame editor", () => {
  const data = (payload: Uint8Array, streamId = 1) => http2Frame(0, 0, streamId, payload)
  const settings = http2Frame(4, 0, 0, Buffer.alloc(0))
  const all = (parts: ReadonlyArray<Uint8Array>) => Buffer.concat(parts)

  it("passes frames on unchanged, however they arrive", () => {
    const bytes = Buffer.concat([
      settings,
      data(Buffer.from("one")),
      data(Buffer.alloc(300, 7)),
      settings
    ])
    for (let size = 1; size <= bytes.length; size++) {
      const { down } = makeFrameEditor([{ _tag: "InsertFrames", nthData: 99, bytes: settings }])
      const out: Array<Uint8Array> = []
      for (let from = 0; from < bytes.length; from += size)
        out.push(...down(bytes.subarray(from, from + size)))
      assert.isTrue(Buffer.concat(out).equals(bytes), `pieces of ${size}`)
    }
  })

  it("inserts before the n-th DATA frame, in the order of faults; empty frames not counted", () => {
    const [one, two, empty] = [data(Buffer.of(1)), data(Buffer.of(2)), data(Buffer.alloc(0))]
    const [first, second] = [
      http2Frame(6, 0, 0, Buffer.alloc(8, 1)),
      http2Frame(6, 0, 0, Buffer.alloc(8, 2))
    ]
    const { down } = makeFrameEditor([
      { _tag: "InsertFrames", nthData: 2, bytes: first },
      { _tag: "InsertFrames", nthData: 2, bytes: second }
    ])
    assert.isTrue(all(down(all([one, empty, two]))).equals(all([one, empty, first, second, two])))
  })

  it("sets END_STREAM, drops pings' answers, and damages prefixes", () => {
    const prefix = Buffer.from([0, 0, 0, 0, 2, 8, 1])
    const ended = all(
      makeFrameEditor([{ _tag: "EndWithoutTrailers", nthData: 1 }]).down(data(prefix))
    )
    assert.strictEqual(ended[4], 1)
    const { down } = makeFrameEditor([{ _tag: "IgnorePings" }])
    assert.strictEqual(all(down(http2Frame(6, 1, 0, Buffer.alloc(8)))).length, 0)
    assert.strictEqual(all(down(http2Frame(6, 0, 0, Buffer.alloc(8)))).length, 17)
    const damaged = all(
      makeFrameEditor([
        { _tag: "DamagePrefix", nthData: 1, compressed: true, length: 0x7fffffff }
      ]).down(data(prefix))
    )
    assert.deepStrictEqual([...damaged.subarray(9, 14)], [1, 0x7f, 0xff, 0xff, 0xff])
  })

  it("puts data behind the frame that ends a call, on the same call", () => {
    const { down } = makeFrameEditor([{ _tag: "DataAfterEnd", bytes: Buffer.of(1, 2, 3) }])
    const trailers = http2Frame(1, 5, 7, Buffer.of(9))
    assert.isTrue(all(down(data(Buffer.of(1), 7))).equals(data(Buffer.of(1), 7)))
    assert.isTrue(all(down(trailers)).equals(all([trailers, data(Buffer.of(1, 2, 3), 7)])))
  })

  it("divides frames in their header, or in the prefix of their message", () => {
    const frame = data(Buffer.from([0, 0, 0, 0, 2, 8, 1]))
    const lengths = (where: "header" | "prefix", bytes: Buffer) =>
      makeFrameEditor([{ _tag: "SplitFrames", where }])
        .down(bytes)
        .map((part) => part.length)
    assert.deepStrictEqual(lengths("header", frame), [4, 12])
    assert.deepStrictEqual(lengths("prefix", frame), [11, 5])
    assert.deepStrictEqual(lengths("prefix", settings), [9])
  })

  const update = (streamId: number, bytes: number) => {
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(bytes)
    return http2Frame(8, 0, streamId, payload)
  }

  it("keeps the answer to changed settings from the server, and no other", () => {
    const { down, up } = makeFrameEditor([{ _tag: "Settings", nthData: 1, values: [[3, 1]] }])
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    const answer = http2Frame(4, 1, 0, Buffer.alloc(0))
    assert.isTrue(all(down(settings)).equals(settings))
    assert.isTrue(
      all(up(all([preface, settings, answer])).up).equals(all([preface, settings, answer]))
    )
    const changed = http2Frame(4, 0, 0, Buffer.from([0, 3, 0, 0, 0, 1]))
    assert.isTrue(all(down(data(Buffer.of(1)))).equals(all([changed, data(Buffer.of(1))])))
    assert.isTrue(all(down(settings)).equals(settings))
    assert.deepStrictEqual(up(answer).up, [])
    assert.isTrue(all(up(answer).up).equals(answer))
  })

  it("keeps the client's window within the changed one and the server's", () => {
    const { down, up } = makeFrameEditor([
      { _tag: "Settings", nthData: 1, values: [[4, 1000]] },
      { _tag: "Settings", nthData: 2, values: [[4, 0]] },
      { _tag: "Settings", nthData: 3, values: [[4, 65_535]] }
    ])
    const send = (bytes: number) => all(up(data(Buffer.alloc(bytes))).down)
    const grant = (bytes: number) => all(down(update(1, bytes)))
    up(Buffer.alloc(24))
    assert.strictEqual(send(40_000).length, 0)
    assert.isTrue(
      grant(30_000).equals(update(1, 30_000)),
      "the server's own word passes until then"
    )
    // The client used 40,000 of 65,535 and got 30,000 back, so a window of 1,000 is -9,000 for it.
    const [change] = [all(down(data(Buffer.of(1))))]
    assert.isTrue(change.subarray(15, 28).equals(update(1, 10_000)), "a thousand is left to it")
    assert.isTrue(send(600).equals(update(1, 600)), "what it uses it gets back")
    assert.strictEqual(grant(5000).length, 0, "the server's word is kept from it")
    // The client may send nothing more, even after the data in flight has arrived.
    assert.strictEqual(all(down(data(Buffer.of(2)))).length, 15 + 10)
    assert.isTrue(send(400).equals(update(1, 400)))
    // Back to the server's window, with 41,000 used and 35,000 returned: 6,000 less than the full
    // window.
    const raised = all(down(data(Buffer.of(3))))
    assert.strictEqual(raised.readUInt32BE(11), 59_535)
    assert.isTrue(
      grant(6000).equals(update(1, 6000)),
      "the rest follows when the server has taken it"
    )
  })

  it("divides frames that only the changed settings allow", () => {
    const { up } = makeFrameEditor([{ _tag: "Settings", nthData: 1, values: [[5, 1_000_000]] }])
    up(Buffer.alloc(24))
    const payload = Buffer.alloc(40_000, 7)
    const sent = all(up(http2Frame(0, 1, 1, payload)).up)
    assert.isTrue(
      sent.equals(
        all([
          http2Frame(0, 0, 1, payload.subarray(0, 16_384)),
          http2Frame(0, 0, 1, payload.subarray(16_384, 32_768)),
          http2Frame(0, 1, 1, payload.subarray(32_768))
        ])
      )
    )
  })
})
