/**
 * This package, through its public interface: `ingestRecord` as one effect per record,
 * `ingestRecords` with 100, or `offerUnsafe`.
 */
import { Effect, Exit, ManagedRuntime, Redacted, Scope } from "effect"
import {
  HeadersProvider,
  type RecordAck,
  type StreamClosed,
  type TableProperties as Table,
  TableProperties,
  Zerobus,
  type ZerobusStream
} from "effect-zerobus"
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
import { rowRecords, rowsTable } from "./rows.ts"
import { typedRecords, typedTable } from "./typed.ts"

const headersProvider = HeadersProvider.make({
  getHeaders: Effect.succeed({ authorization: "Bearer benchmark" })
})

interface Source {
  readonly table: Table.TableProperties<any>
  readonly records: ReadonlyArray<any>
}

const sourceOf = ({ format, size }: ClientSpec): Source => {
  switch (format) {
    case "bytes":
      return { table: TableProperties.proto(TABLE, descriptor), records: byteRecords(size) }
    case "rows":
      return {
        table: TableProperties.proto(rowsTable.name, rowsTable.descriptor),
        records: rowRecords()
      }
    case "jsonObject":
      return { table: TableProperties.json(TABLE), records: objectRecords(size) }
    case "jsonText":
      return {
        table: TableProperties.json(TABLE),
        records: objectRecords(size).map((record) => JSON.stringify(record))
      }
    case "typed3":
      return { table: typedTable(3), records: typedRecords(3) }
    case "typed20":
      return { table: typedTable(20), records: typedRecords(20) }
    case "typed105":
      return { table: typedTable(105), records: typedRecords(105) }
  }
}

export const open = async (spec: ClientSpec): Promise<Client> => {
  const { records, table } = sourceOf(spec)
  const runtime = ManagedRuntime.make(
    Zerobus.layer(
      spec.local === undefined
        ? {
            serverEndpoint: `${spec.ca === undefined ? "http" : "https"}://127.0.0.1:${spec.port}`,
            ...(spec.ca === undefined ? {} : { tls: { ca: spec.ca } })
          }
        : { ...spec.local, clientSecret: Redacted.make(spec.local.clientSecret), proxy: false }
    )
  )
  const scope = Scope.makeUnsafe()
  const streams = await runtime.runPromise(
    Effect.gen(function* () {
      const zerobus = yield* Zerobus
      const openOne = zerobus.createStream(table, {
        ...(spec.local === undefined ? { headersProvider } : {}),
        maxInflightRecords: Math.max(1, Math.floor(spec.window / spec.streams))
      })
      return yield* Effect.all(
        Array.from({ length: spec.streams }, () => openOne),
        { concurrency: 64 }
      )
    }).pipe(Scope.provide(scope))
  )
  const batch = Array.from({ length: spec.batch ?? BATCH }, (_, n) => records[n % VARIETY]!)
  const flush = () =>
    runtime.runPromise(
      Effect.forEach(streams, (stream) => stream.flush, { concurrency: "unbounded", discard: true })
    )

  /** The number of records between two reads of the clock. */
  const STRIDE = 128
  const sendSingle = (stream: ZerobusStream<any>, goesOn: (count: number) => boolean) =>
    Effect.gen(function* () {
      let count = 0
      while (goesOn(count)) {
        for (let n = 0; n < STRIDE; n++)
          yield* stream.ingestRecord(records[count++ & (VARIETY - 1)]!)
      }
      return count
    })
  const sendBatch = (stream: ZerobusStream<any>, goesOn: (count: number) => boolean) =>
    Effect.gen(function* () {
      let count = 0
      for (; goesOn(count); count += batch.length) yield* stream.ingestRecords(batch)
      return count
    })
  const sendOffer = (stream: ZerobusStream<any>, goesOn: (count: number) => boolean) =>
    Effect.promise(async () => {
      let count = 0
      while (goesOn(count)) {
        for (let n = 0; n < STRIDE; n++) {
          while (stream.offerUnsafe(records[count & (VARIETY - 1)]!) === undefined) {
            await new Promise<void>((resolve) => setImmediate(resolve))
          }
          count++
        }
        if (count % (STRIDE * 16) === 0) await new Promise<void>((resolve) => setImmediate(resolve))
      }
      return count
    })
  const sender = { single: sendSingle, batch: sendBatch, offer: sendOffer }[spec.api]
  const send = async (goesOn: (count: number) => boolean): Promise<number> => {
    const counts = await runtime.runPromise(
      Effect.forEach(streams, (stream) => sender(stream, goesOn), {
        concurrency: "unbounded"
      }) as Effect.Effect<Array<number>>
    )
    return counts.reduce((total, count) => total + count, 0)
  }

  return {
    run: async (millis) => {
      const until = performance.now() + millis
      const count = await send(() => performance.now() < until)
      await flush()
      return count
    },
    count: async (wanted) => {
      const share = wanted / streams.length
      const count = await send((count) => count < share)
      await flush()
      return count
    },
    fill: async (wanted, within) => {
      const until = performance.now() + within
      const share = wanted / streams.length
      // A full landing zone makes the senders wait: records accepted by then are the result.
      let taken = 0
      const filling = Effect.forEach(
        streams,
        (stream) =>
          Effect.gen(function* () {
            for (let count = 0; count < share && performance.now() < until;) {
              if (spec.api === "batch") {
                yield* stream.ingestRecords(batch)
                taken += batch.length
                count += batch.length
              } else {
                yield* stream.ingestRecord(records[count++ & (VARIETY - 1)]!)
                taken++
              }
            }
          }),
        { concurrency: "unbounded", discard: true }
      )
      await runtime.runPromise(Effect.timeoutOption(filling as Effect.Effect<void>, within))
      return taken
    },
    flush,
    latency: async (rate, millis) => {
      const stream = streams[0]!
      const times: Array<number> = []
      const pending: Array<Promise<Exit.Exit<unknown, unknown>>> = []
      const perCall = spec.api === "batch" ? batch.length : 1
      const calls = rate / perCall
      const every = Math.max(1, Math.floor(calls / 2000))
      let count = 0
      const wait = (ack: RecordAck, started: number) => {
        pending.push(
          runtime.runPromiseExit(
            Effect.map(ack.await, () => void times.push(performance.now() - started))
          )
        )
      }
      const ingest =
        spec.api === "batch"
          ? () => stream.ingestRecords(batch)
          : () => stream.ingestRecord(records[count & (VARIETY - 1)]!)
      const reached = await paced(calls, millis, (due) =>
        runtime.runPromise(
          Effect.gen(function* () {
            for (let n = 0; n < due; n++) {
              const started = performance.now()
              const ack = yield* ingest()
              if (count++ % every === 0 && ack !== undefined) wait(ack, started)
            }
          }) as Effect.Effect<void, StreamClosed>
        )
      )
      const exits = await Promise.all(pending)
      if (exits.some(Exit.isFailure)) throw new Error("An acknowledgement failed.")
      return { times, rate: reached * perCall }
    }
  }
}
