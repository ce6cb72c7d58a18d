/**
 * The official native SDK (Rust behind a Node binding), used as its examples do: promises of single records in windows of 1,000, or
 * batches of 100, one after another.
 */
import { loadNative, type NativeStream } from "../nativeSdk.ts"
import {
  BATCH,
  byteRecords,
  type Client,
  type ClientSpec,
  descriptor,
  objectRecords,
  paced,
  TABLE,
  VARIETY
} from "./client.ts"

const WINDOW = 1000

const recordsOf = ({ format, size }: ClientSpec): ReadonlyArray<unknown> => {
  switch (format) {
    case "bytes":
      return byteRecords(size)
    case "jsonObject":
      return objectRecords(size)
    case "jsonText":
      return objectRecords(size).map((record) => JSON.stringify(record))
    default:
      throw new Error("The native SDK has no typed tables.")
  }
}

export const open = async (spec: ClientSpec): Promise<Client> => {
  const { RecordType, ZerobusSdk } = loadNative(process.env.NATIVE_SDK ?? "")
  const url = `http://127.0.0.1:${spec.port}`
  const sdk = new ZerobusSdk(url, url)
  const bytes = spec.format === "bytes"
  const openStream = (): Promise<NativeStream> =>
    sdk.createStream(
      { tableName: TABLE, ...(bytes ? { descriptorProto: Buffer.from(descriptor).toString("base64") } : {}) },
      "",
      "",
      {
        recordType: bytes ? RecordType.Proto : RecordType.Json,
        maxInflightRequests: spec.api === "batch" ? Math.max(1, spec.window / BATCH) : spec.window
      },
      {
        getHeadersCallback: () => [
          ["authorization", "Bearer benchmark"],
          ["x-databricks-zerobus-table-name", TABLE]
        ]
      }
    )
  const streams = await Promise.all(Array.from({ length: spec.streams }, openStream))
  const records = recordsOf(spec)
  const batch = Array.from({ length: BATCH }, (_, n) => records[n % VARIETY]!)
  const flush = async (): Promise<void> => {
    await Promise.all(streams.map((stream) => stream.flush()))
  }
  const send = async (stream: NativeStream, goesOn: (count: number) => boolean): Promise<number> => {
    let count = 0
    if (spec.api === "batch") {
      for (; goesOn(count); count += BATCH) await stream.ingestRecordsOffset(batch)
      return count
    }
    while (goesOn(count)) {
      const promises: Array<Promise<bigint>> = []
      for (let n = 0; n < WINDOW; n++) promises.push(stream.ingestRecordOffset(records[count++ & (VARIETY - 1)]!))
      await Promise.all(promises)
    }
    return count
  }
  const sum = (counts: ReadonlyArray<number>): number => counts.reduce((total, count) => total + count, 0)
  return {
    run: async (millis) => {
      const until = performance.now() + millis
      const counts = await Promise.all(streams.map((stream) => send(stream, () => performance.now() < until)))
      await flush()
      return sum(counts)
    },
    fill: async (wanted, within) => {
      const until = performance.now() + within
      return sum(
        await Promise.all(
          streams.map((stream) => send(stream, (count) => count * streams.length < wanted && performance.now() < until))
        )
      )
    },
    flush,
    latency: async (rate, millis) => {
      const stream = streams[0]!
      const times: Array<number> = []
      const pending: Array<Promise<void>> = []
      const every = Math.max(1, Math.floor(rate / 2000))
      let count = 0
      await paced(rate, millis, async (due) => {
        const promises: Array<Promise<bigint>> = []
        for (let n = 0; n < due; n++) {
          const started = performance.now()
          const offset = stream.ingestRecordOffset(records[count & (VARIETY - 1)]!)
          promises.push(offset)
          if (count++ % every === 0) {
            pending.push(
              offset
                .then((value) => stream.waitForOffset(value))
                .then(() => void times.push(performance.now() - started))
            )
          }
        }
        await Promise.all(promises)
      })
      await Promise.all(pending)
      return times
    }
  }
}
