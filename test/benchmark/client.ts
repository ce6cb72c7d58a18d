/**
 * One measured client in a process of its own: `client.ts PORT CLIENT API SIZE COUNT`. It warms up with a fifth of the records, sends
 * the rest, waits until all is acknowledged, and reports time, CPU time and memory to its parent.
 */
import * as Grpc from "@grpc/grpc-js"
import { Effect } from "effect"
import { HeadersProvider, TableProperties, Zerobus } from "effect-zerobus"
import { stampHeader, encodeCreate, HEAD_ROOM, payloadTag } from "../../src/internal/envelope.ts"
import { writeVarint, varintSize } from "../../src/internal/wire.ts"

/** Records in flight at most, for every client. */
const WINDOW = 200_000
const BATCH = 100

const [port, client, api, sizeText, countText] = process.argv.slice(2)
const size = Number(sizeText)
const count = Number(countText)
const record = new Uint8Array(size).fill(0x61)
const name = "main.default.benchmark"
/** DescriptorProto of `message T { optional bytes payload = 1; }`. Nothing decodes the records. */
const descriptor = Uint8Array.from([10, 1, 84, 18, 15, 10, 7, 112, 97, 121, 108, 111, 97, 100, 24, 1, 32, 1, 40, 12])

/** Runs `send` twice: to warm up, and measured. */
const measure = async (send: (records: number) => Promise<void>): Promise<void> => {
  await send(count / 5)
  globalThis.gc?.()
  const before = process.cpuUsage()
  const started = performance.now()
  await send(count)
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(before)
  process.send?.({ seconds, cpuSeconds: (system + user) / 1e6, rss: process.memoryUsage.rss() })
}

const ours = Effect.gen(function* () {
  const zerobus = yield* Zerobus
  const headersProvider = HeadersProvider.make({ getHeaders: Effect.succeed({ authorization: "Bearer benchmark" }) })
  const stream = yield* zerobus.createStream(TableProperties.proto(name, descriptor), {
    headersProvider,
    maxInflightRecords: WINDOW
  })
  const batch = Array.from({ length: BATCH }, () => record)
  const send = (records: number) =>
    Effect.gen(function* () {
      if (api === "single") for (let n = 0; n < records; n++) yield* stream.ingestRecord(record)
      else for (let n = 0; n < records; n += BATCH) yield* stream.ingestRecords(batch)
      yield* stream.flush
    })
  const context = yield* Effect.context<never>()
  yield* Effect.promise(() => measure((records) => Effect.runPromiseWith(context)(send(records))))
  yield* stream.close
}).pipe(Effect.scoped, Effect.provide(Zerobus.layer({ serverEndpoint: `http://127.0.0.1:${port}` })))

/** grpc-js alone: one prepared message of 100 records, sent again and again within the same window. The transport's limit. */
const raw = async (): Promise<void> => {
  const content = Buffer.alloc(BATCH * (1 + varintSize(size) + size))
  let position = 0
  for (let n = 0; n < BATCH; n++) {
    content[position] = 0x0a
    position = writeVarint(content, size, position + 1)
    content.set(record, position)
    position += size
  }
  const framed = Buffer.concat([Buffer.alloc(HEAD_ROOM), content])
  const start = stampHeader(framed, HEAD_ROOM, framed.length, 0, payloadTag("proto"), true)
  const message = framed.subarray(start)
  const identity = (bytes: Buffer): Buffer => bytes
  const channel = new Grpc.Client(`127.0.0.1:${port}`, Grpc.credentials.createInsecure())
  const call = channel.makeBidiStreamRequest(
    "/databricks.zerobus.Zerobus/EphemeralStream",
    identity,
    identity,
    new Grpc.Metadata()
  )
  let acknowledged = -1
  let sent = 0
  let wake: (() => void) | undefined
  call.on("data", (response: Buffer) => {
    if (response[0] === 0x12) {
      acknowledged = 0
      for (let at = 3, scale = 1; at < response.length; at++, scale *= 128)
        acknowledged += (response[at]! & 127) * scale
    }
    wake?.()
  })
  let full = false
  call.on("drain", () => {
    full = false
    wake?.()
  })
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise<void>((resolve) => (wake = resolve))
  }
  call.write(Buffer.from(encodeCreate({ tableName: name, recordType: "proto", descriptor })))
  await measure(async (records) => {
    for (let n = 0; n < records; n += BATCH) {
      await until(() => !full && (sent - acknowledged) * BATCH <= WINDOW)
      full = !call.write(message)
      sent++
    }
    await until(() => acknowledged === sent - 1)
  })
  call.end()
  channel.close()
}

if (client === "ours") await Effect.runPromise(ours)
else await raw()
process.disconnect?.()
