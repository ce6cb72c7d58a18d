/**
 * `zerobus spool`: waiting records are shown, sent, exported to files, and kept when the spool is
 * damaged.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, References } from "effect"
import {
  Column,
  HeadersProvider,
  Spool,
  Table,
  type TableProperties,
  TableProperties as Properties,
  Zerobus
} from "effect-zerobus"
import { AvroTable } from "effect-zerobus/avro"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { zerobus, zerobusProcess } from "../../support/commandLine.ts"
import { readingsServer } from "../../support/readingsServer.ts"

const { environment, file, folder, newTable, show } = readingsServer()

/** Writes records to a spool without a server. The position is that of the last one. */
const spooled = async <A>(
  table: TableProperties.TableProperties<A>,
  records: ReadonlyArray<A>
): Promise<string> => {
  const path = Fs.mkdtempSync(Path.join(folder, "spool-"))
  await Effect.gen(function* () {
    const client = yield* Zerobus
    const stream = yield* client.createStream(table, {
      spool: Spool.directory(path),
      scopeCloseTimeout: 0
    })
    for (const record of records) yield* stream.ingestRecord(record)
    if (records.length > 1) yield* stream.ingestRecords(records.slice(0, 2))
    yield* Spool.notePosition(stream, Buffer.from("line 7"))
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Zerobus.layer({
        serverEndpoint: "http://127.0.0.1:1",
        stream: { headersProvider: HeadersProvider.make({ getHeaders: Effect.succeed({}) }) }
      })
    ),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.runPromise
  )
  return path
}

const readings = Array.from({ length: 5 }, (_, n) => ({ device: `d${n}`, temp: n }))
const jsonSpool = async (table: string) => spooled(Properties.json(table), readings)
const typed = (name: string) =>
  Table.make(name, {
    id: Column.BigInt,
    word: Column.nullable(Column.String),
    raw: Column.nullable(Column.Binary)
  })

describe("zerobus spool show", () => {
  it("shows table, offsets, what waits, the position and the lock", async () => {
    const path = await jsonSpool("main.default.readings")
    const { code, err, out } = await zerobus(["spool", "show", path, "--json"])
    assert.strictEqual(code, 0, err)
    const { bytesOnDisk, waitingBytes, ...rest } = JSON.parse(out)
    assert.deepStrictEqual(rest, {
      table: "main.default.readings",
      recordType: "json",
      firstOffset: 0,
      nextOffset: 6,
      waitingRecords: 7,
      position: { base64: Buffer.from("line 7").toString("base64"), text: "line 7" },
      lock: null
    })
    assert.strictEqual(waitingBytes, 7 * (JSON.stringify(readings[0]).length + 2))
    assert.isAbove(bytesOnDisk, waitingBytes)
    const lines = await zerobus(["spool", "show", path])
    assert.include(lines.out, "waiting   7 records")
    assert.include(lines.out, "offsets   0 to 5 wait, next 6")
    assert.include(lines.out, "position  line 7")
    assert.include(lines.out, "lock      free")
  })

  it("names the process that holds the lock, and reports a holder that has ended", async () => {
    const path = await jsonSpool("main.default.readings")
    const owner = {
      pid: process.pid,
      started: "",
      host: (await import("node:os")).hostname(),
      token: "t"
    }
    Fs.writeFileSync(Path.join(path, ".lock"), JSON.stringify(owner))
    assert.include(
      (await zerobus(["spool", "show", path])).out,
      `process ${process.pid} on ${owner.host}, which runs`
    )
    Fs.writeFileSync(Path.join(path, ".lock"), JSON.stringify({ ...owner, host: "elsewhere" }))
    assert.include(
      (await zerobus(["spool", "show", path])).out,
      "in another container or on another machine"
    )
  })

  it("fails where there is no spool", async () => {
    const { code, err } = await zerobus(["spool", "show", Path.join(folder, "none")])
    assert.strictEqual(code, 2)
    assert.include(err, "holds no spool")
  })
})

describe("zerobus spool drain", () => {
  it("sends what waits, and then nothing waits", async () => {
    const table = await newTable()
    const path = await jsonSpool(table)
    const { code, err, out } = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(code, 0, err)
    assert.strictEqual(out, `7 records of ${path} durable in ${table}.\nNo record is waiting.\n`)
    assert.strictEqual((await show(table, 7)).rows, 7)
    const again = await zerobus(["spool", "drain", path, "--json"], environment)
    assert.deepStrictEqual(JSON.parse(again.out), { table, records: 0, refused: 0, left: 0 })
    // The position stays for the program that continues.
    assert.include((await zerobus(["spool", "show", path])).out, "position  line 7")
  })

  it("resumes the persistent stream of a spool, and stores its records once", async () => {
    const name = await newTable()
    const path = Fs.mkdtempSync(Path.join(folder, "spool-"))
    const table = Properties.json(name)
    const settings = {
      serverEndpoint: environment["ZEROBUS_SERVER_ENDPOINT"]!,
      workspaceUrl: environment["DATABRICKS_WORKSPACE_URL"]!,
      clientId: environment["DATABRICKS_CLIENT_ID"]!,
      clientSecret: Redacted.make(environment["DATABRICKS_CLIENT_SECRET"]!)
    }
    /** The second time the server cannot be reached, and the spool identifies its stream. */
    for (const serverEndpoint of [settings.serverEndpoint, "http://127.0.0.1:1"]) {
      await Effect.gen(function* () {
        const client = yield* Zerobus
        const stream = yield* client.createPersistentStream(table, {
          spool: Spool.directory(path),
          scopeCloseTimeout: 0
        })
        for (const record of readings) yield* stream.ingestRecord(record)
        if (serverEndpoint === settings.serverEndpoint) yield* stream.close
      }).pipe(
        Effect.scoped,
        Effect.provide(Zerobus.layer({ ...settings, serverEndpoint, proxy: false })),
        Effect.provideService(References.MinimumLogLevel, "None"),
        Effect.runPromise
      )
    }
    const { streamId } = JSON.parse((await zerobus(["spool", "show", path, "--json"])).out)
    assert.include(
      (await zerobus(["spool", "show", path])).out,
      `stream    ${streamId} (persistent)`
    )
    const { code, err } = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(code, 0, err)
    const { persistentStreams = [], rows } = await show(name, 10)
    assert.strictEqual(rows, 10)
    assert.deepStrictEqual(
      persistentStreams.map((stream) => [stream.streamId, stream.committedOffset]),
      [[streamId, 9]]
    )
  })

  it("ends with 75 where the server cannot be reached, and everything still waits", async () => {
    const path = await jsonSpool("main.default.readings")
    const unreachable = {
      ...environment,
      ZEROBUS_SERVER_ENDPOINT: "http://127.0.0.1:1",
      ZEROBUS_RECOVERY_BACKOFF: "1 millis"
    }
    const { code, err, out } = await zerobus(["spool", "drain", path], unreachable)
    assert.strictEqual(code, 75, err)
    assert.include(out, "Waiting in the spool: 7 records.")
  }, 60_000)

  it(
    "ends with 2 at a record that the server refuses; with --dead-letters it goes there and " +
      "the rest is sent",
    async () => {
      const table = await newTable()
      const path = await spooled(Properties.json(table), [
        ...readings,
        { device: "x", temp: "warm" },
        { device: "y" }
      ])
      const first = await zerobus(["spool", "drain", path], environment)
      assert.strictEqual(first.code, 2, first.err)
      const letters = Path.join(folder, "letters.ndjson")
      const second = await zerobusProcess(
        ["spool", "drain", path, "--dead-letters", letters, "--json"],
        environment
      )
      assert.strictEqual(second.code, 0, second.err)
      const { left, refused } = JSON.parse(second.out)
      assert.deepStrictEqual([refused, left], [1, 0])
      assert.deepStrictEqual(JSON.parse(Fs.readFileSync(letters, "utf8")).record, {
        device: "x",
        temp: "warm"
      })
      await show(table, 8)
    },
    60_000
  )

  it("refuses a spool that another process holds", async () => {
    const path = await jsonSpool("main.default.readings")
    const owner = {
      pid: process.ppid,
      started: "",
      host: (await import("node:os")).hostname(),
      token: "t"
    }
    Fs.writeFileSync(Path.join(path, ".lock"), JSON.stringify(owner))
    const { code, err } = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(code, 2)
    assert.include(err, `in use by process ${process.ppid}`)
  })
})

describe("zerobus spool export", () => {
  it("writes lines that zerobus ingest reads, never over a file, and changes nothing", async () => {
    const table = await newTable()
    const path = await jsonSpool(table)
    const to = Path.join(folder, "out.ndjson")
    const { code, err } = await zerobus(["spool", "export", path, "--to", to])
    assert.strictEqual(code, 0, err)
    assert.include(err, "Wrote 7 records")
    assert.strictEqual(Fs.statSync(to).mode & 0o777, 0o600)
    const again = await zerobus(["spool", "export", path, "--to", to])
    assert.strictEqual(again.code, 2)
    assert.include(again.err, "exists already")
    const lines = [...readings, ...readings.slice(0, 2)].map((record) => JSON.stringify(record))
    assert.deepStrictEqual(Fs.readFileSync(to, "utf8").trimEnd().split("\n"), lines)
    const printed = await zerobusProcess(["spool", "export", path])
    assert.strictEqual(printed.out, Fs.readFileSync(to, "utf8"))
    const ingested = await zerobus(["ingest", to, "-t", table], environment)
    assert.strictEqual(ingested.code, 0, ingested.err)
    await show(table, 7)
  }, 30_000)

  it("writes each JSON record on one line, and other bytes as base64", async () => {
    const path = await spooled(Properties.json("main.default.readings"), [
      '{"device":\n"a"}',
      '{"device":'
    ])
    const to = Path.join(folder, "lines.ndjson")
    const { code, err } = await zerobus(["spool", "export", path, "--to", to])
    assert.strictEqual(code, 0, err)
    assert.include(err, "as base64: they are not JSON objects")
    const bad = JSON.stringify({
      offset: 1,
      payloadBase64: Buffer.from('{"device":').toString("base64")
    })
    assert.deepStrictEqual(Fs.readFileSync(to, "utf8").split("\n").slice(0, 2), [
      '{"device": "a"}',
      bad
    ])
  })

  it("decodes protobuf records by the descriptor of the spool, or prints payloads", async () => {
    const table = await newTable("main.default.x(id BIGINT NOT NULL, word STRING, raw BINARY)")
    const rows = [
      { id: 9007199254740993n, word: "é", raw: Uint8Array.of(0, 255) },
      { id: -1n, word: null, raw: null }
    ]
    const path = await spooled(typed(table), rows)
    const to = Path.join(folder, "typed.ndjson")
    const { code, err } = await zerobus(["spool", "export", path, "--to", to])
    assert.strictEqual(code, 0, err)
    const lines = ['{"id":9007199254740993,"word":"é","raw":"AP8="}', '{"id":-1}']
    assert.deepStrictEqual(Fs.readFileSync(to, "utf8").trimEnd().split("\n"), [...lines, ...lines])
    const ingested = await zerobus(["ingest", to, "-t", table], environment)
    assert.strictEqual(ingested.code, 0, ingested.err)
    const raw = await zerobusProcess(["spool", "export", path, "--payloads"])
    assert.match(raw.out.split("\n")[1]!, /^\{"offset":1,"payloadBase64":"[A-Za-z0-9+/]+=*"\}$/)
    const { code: drained } = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(drained, 0)
    await show(table, 8)
  }, 30_000)

  it("decodes Avro records by the schema of the spool, and sends them", async () => {
    const table = await newTable("main.default.x(id BIGINT NOT NULL, word STRING, raw BINARY)")
    const avro = AvroTable.make(table, {
      type: "record",
      name: "r",
      fields: [
        { name: "raw", type: ["null", "bytes"] },
        { name: "id", type: "long" },
        { name: "word", type: ["null", "string"] }
      ]
    })
    const rows = [{ id: 9007199254740993n, word: "é", raw: Uint8Array.of(0, 255) }, { id: -1 }]
    const path = await spooled(avro, rows)
    const shown = await zerobus(["spool", "show", path])
    assert.match(shown.out, /records +Avro/)
    const to = Path.join(folder, "avro.ndjson")
    const { code, err } = await zerobus(["spool", "export", path, "--to", to])
    assert.strictEqual(code, 0, err)
    const lines = [
      '{"raw":"AP8=","id":"9007199254740993","word":"é"}',
      '{"raw":null,"id":-1,"word":null}'
    ]
    assert.deepStrictEqual(Fs.readFileSync(to, "utf8").trimEnd().split("\n"), [...lines, ...lines])
    const ingested = await zerobus(["ingest", to, "-t", table], environment)
    assert.strictEqual(ingested.code, 0, ingested.err)
    const { code: drained, err: why } = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(drained, 0, why)
    await show(table, 8)
  }, 30_000)

  it("leaves no file where it fails", async () => {
    const path = file("no-folder", "")
    const to = Path.join(folder, "failed.ndjson")
    const { code } = await zerobus(["spool", "export", path, "--to", to])
    assert.notStrictEqual(code, 0)
    assert.isFalse(Fs.existsSync(to))
  })
})

describe("zerobus spool repair", () => {
  it("reports damage without a change, and with --yes keeps what is readable", async () => {
    const table = await newTable()
    const path = await jsonSpool(table)
    const whole = await zerobus(["spool", "repair", path])
    assert.deepStrictEqual([whole.code, whole.out], [0, `Nothing is damaged in ${path}.\n`])
    const log = Path.join(path, "000000000001.log")
    const bytes = Fs.readFileSync(log)
    bytes[bytes.indexOf('"d2"')] = 0
    Fs.writeFileSync(log, bytes)
    const failed = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(failed.code, 2)
    assert.include(failed.err, `zerobus spool repair ${path}`)
    const dry = await zerobus(["spool", "repair", path])
    assert.strictEqual(dry.code, 2)
    assert.include(dry.out, "Waiting offsets that cannot be read: 2.")
    assert.include(dry.err, "Nothing was changed.")
    assert.deepStrictEqual(Fs.readFileSync(log), bytes)
    const done = await zerobus(["spool", "repair", path, "--yes", "--json"])
    assert.strictEqual(done.code, 0, done.err)
    const { aside, lostOffsets, readableRecords, setAside } = JSON.parse(done.out)
    assert.deepStrictEqual([lostOffsets, readableRecords], [[{ first: 2, last: 2 }], 6])
    assert.deepStrictEqual(Fs.readFileSync(Path.join(aside, setAside[0])), bytes)
    const drained = await zerobus(["spool", "drain", path], environment)
    assert.strictEqual(drained.code, 0, drained.err)
    await show(table, 6)
  }, 30_000)
})
