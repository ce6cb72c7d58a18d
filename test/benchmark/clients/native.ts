/**
 * The official native SDK (Rust behind a Node binding), used in its fastest way: promises of single
 * records in windows, or batches of 100, one after another. `nativeVariants.ts` measures the other
 * ways.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
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

/** Pending promises over all streams. More and fewer both made a record cost more. */
const WINDOW = 100
/**
 * Threads of the SDK's runtime, unless the case tries both. A single record cost least with one.
 */
const THREADS = 1

interface Source {
  readonly tableName: string
  /** The descriptor of protobuf records. */
  readonly descriptor?: Uint8Array
  readonly records: ReadonlyArray<unknown>
}

const sourceOf = async ({ format, nativeUse, size }: ClientSpec): Promise<Source> => {
  switch (format) {
    case "bytes": {
      const buffers = byteRecords(size)
      const records =
        nativeUse?.bytesAs === "Uint8Array"
          ? buffers.map((buffer) => new Uint8Array(buffer))
          : buffers
      return { tableName: TABLE, descriptor, records }
    }
    case "rows": {
      // Imported only here: this package must not add to the memory of the native SDK's process.
      const { rowRecords, rowsTable } = await import("./rows.ts")
      return { tableName: rowsTable.name, descriptor: rowsTable.descriptor, records: rowRecords() }
    }
    case "jsonObject":
      return { tableName: TABLE, records: objectRecords(size) }
    case "jsonText":
      return {
        tableName: TABLE,
        records: objectRecords(size).map((record) => JSON.stringify(record))
      }
    default:
      throw new Error("The native SDK has no typed tables.")
  }
}

/**
 * Makes the SDK trust this certificate (PEM). It uses the authorities of the system, whose location
 * it reads from the environment.
 */
const trustOnly = (ca: string): void => {
  const folder = mkdtempSync(Path.join(tmpdir(), "benchmark-trust-"))
  const file = Path.join(folder, "ca.pem")
  writeFileSync(file, ca)
  process.env.SSL_CERT_FILE = file
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
}

export const open = async (spec: ClientSpec): Promise<Client> => {
  const {
    awaits = "all",
    calls = "queued",
    inflight,
    poolThreads,
    threads = THREADS
  } = spec.nativeUse ?? {}
  const window = spec.nativeUse?.window ?? (spec.api === "batch" ? spec.streams : WINDOW)
  // The SDK reads both when the first of those threads starts. The trusted certificate also comes
  // from the environment.
  if (threads > 0) process.env.TOKIO_WORKER_THREADS = String(threads)
  if (poolThreads !== undefined) process.env.UV_THREADPOOL_SIZE = String(poolThreads)
  if (spec.ca !== undefined) trustOnly(spec.ca)
  const { RecordType, ZerobusSdk } = loadNative(process.env.NATIVE_SDK ?? "")
  const { local } = spec
  const url =
    local?.serverEndpoint ?? `${spec.ca === undefined ? "http" : "https"}://127.0.0.1:${spec.port}`
  const sdk = new ZerobusSdk(url, local?.workspaceUrl ?? url)
  const { descriptor: proto, records, tableName } = await sourceOf(spec)
  const perStream = Math.floor(spec.window / spec.streams / (spec.api === "batch" ? BATCH : 1))
  const openStream = (): Promise<NativeStream> =>
    sdk.createStream(
      {
        tableName,
        ...(proto === undefined ? {} : { descriptorProto: Buffer.from(proto).toString("base64") })
      },
      local?.clientId ?? "",
      local?.clientSecret ?? "",
      {
        recordType: proto === undefined ? RecordType.Json : RecordType.Proto,
        ...(inflight === 0 ? {} : { maxInflightRequests: inflight ?? Math.max(1, perStream) })
      },
      ...(local === undefined
        ? [
            {
              getHeadersCallback: (): ReadonlyArray<readonly [string, string]> => [
                ["authorization", "Bearer benchmark"],
                ["x-databricks-zerobus-table-name", TABLE]
              ]
            }
          ]
        : [])
    )
  const streams = await Promise.all(Array.from({ length: spec.streams }, openStream))
  const batch = Array.from({ length: BATCH }, (_, n) => records[n % VARIETY]!)
  const flush = async (): Promise<void> => {
    await Promise.all(streams.map((stream) => stream.flush()))
  }
  const atATime = Math.max(1, Math.floor(window / spec.streams))
  const ingest = (stream: NativeStream, record: unknown): Promise<bigint> =>
    calls === "acknowledged" ? stream.ingestRecord(record) : stream.ingestRecordOffset(record)
  const send = async (
    stream: NativeStream,
    goesOn: (count: number) => boolean
  ): Promise<number> => {
    let count = 0
    const next = (): Promise<unknown> => {
      if (spec.api === "single") return ingest(stream, records[count++ & (VARIETY - 1)]!)
      count += BATCH
      return stream.ingestRecordsOffset(batch)
    }
    while (goesOn(count)) {
      if (calls === "sequential") {
        for (let n = 0; n < atATime; n++) await next()
        continue
      }
      const promises: Array<Promise<unknown>> = []
      for (let n = 0; n < atATime; n++) promises.push(next())
      await (awaits === "all" ? Promise.all(promises) : promises.at(-1))
    }
    return count
  }
  const sum = (counts: ReadonlyArray<number>): number =>
    counts.reduce((total, count) => total + count, 0)
  return {
    run: async (millis) => {
      const until = performance.now() + millis
      const counts = await Promise.all(
        streams.map((stream) => send(stream, () => performance.now() < until))
      )
      await flush()
      return sum(counts)
    },
    count: async (wanted) => {
      const counts = await Promise.all(
        streams.map((stream) => send(stream, (count) => count * streams.length < wanted))
      )
      await flush()
      return sum(counts)
    },
    fill: async (wanted, within) => {
      const until = performance.now() + within
      return sum(
        await Promise.all(
          streams.map((stream) =>
            send(stream, (count) => count * streams.length < wanted && performance.now() < until)
          )
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
      const reached = await paced(rate, millis, async (due) => {
        const promises: Array<Promise<bigint>> = []
        for (let n = 0; n < due; n++) {
          const started = performance.now()
          const offset = ingest(stream, records[count & (VARIETY - 1)]!)
          if (calls === "queued") promises.push(offset)
          if (count++ % every === 0) {
            const acknowledged =
              calls === "queued" ? offset.then((value) => stream.waitForOffset(value)) : offset
            pending.push(acknowledged.then(() => void times.push(performance.now() - started)))
          }
        }
        await Promise.all(promises)
      })
      await Promise.all(pending)
      return { times, rate: reached }
    }
  }
}
