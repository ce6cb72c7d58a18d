/**
 * The shared part of all streams of one server: limits, the store, and the fault script and audit
 * of each table.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { randomUUID } from "node:crypto"
import { type FaultScript, makeFaultScript } from "../faults/faultScript.ts"
import type {
  ObserveStream,
  OpenFailure,
  StreamHost,
  StreamLimits,
  StreamTable
} from "./streamContract.ts"
import { makeStreamAudit, type StreamAudit } from "./streamAudit.ts"
import { tableKey, type TableStoreShape } from "../store/tableStore.ts"
import { StorageFailure } from "../log/storageErrors.ts"
import type { Timers } from "../timers.ts"
import type { Trace } from "../faults/trace.ts"
import { traced } from "./traceRecorder.ts"

/**
 * The default limits: the service's stream lifetime and payload limit, acknowledgements every 5 ms,
 * no maximum rate.
 */
export const defaultLimits: StreamLimits = {
  streamLife: 15 * 60_000,
  closeGrace: 60_000,
  ackInterval: 5,
  maxRecordBytes: 10 * 1024 * 1024,
  maxUndurableBytes: 4 * 1024 * 1024,
  maxRecordsPerSecond: Infinity,
  maxBytesPerSecond: Infinity
}

/** The shared part of a server's streams, with access to scripts and audits for tests. */
export interface StreamHub extends StreamHost {
  readonly script: (tableName: string) => FaultScript
  readonly audit: (tableName: string) => StreamAudit
  /** Ends all streams once everything they stored is acknowledged, or after `limitMillis`. */
  readonly shutdown: (limitMillis: number) => Effect.Effect<void>
}

/**
 * The most tables whose scripts and audits are kept, so that a client cannot fill the memory with
 * invented names.
 */
const maxTables = 10_000

/** Runs an effect of the store and passes its result or failure to `done`. */
const run = <A>(
  effect: Effect.Effect<A, OpenFailure>,
  failed: string,
  done: (result: A | OpenFailure) => void
): void => {
  Effect.runCallback(effect, {
    onExit: (exit) => {
      if (Exit.isSuccess(exit)) return done(exit.value)
      const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
      done(failure?.error ?? new StorageFailure({ reason: "Io", message: failed }))
    }
  })
}

/**
 * Creates the hub. `auditBytes` limits the records that each table's audit keeps; 0 keeps counts
 * only. `trace` records the events of the streams.
 */
export const makeStreamHub = (options: {
  readonly store: TableStoreShape
  readonly timers: Timers
  readonly limits: StreamLimits
  readonly observe: ObserveStream
  readonly auditBytes: number
  readonly trace?: Trace | undefined
}): StreamHub => {
  const { store, trace } = options
  const tables = new Map<string, StreamTable>()
  const table = (name: string): StreamTable => {
    const key = tableKey(name)
    let entry = tables.get(key)
    if (entry === undefined) {
      const silent = { script: makeFaultScript(), audit: makeStreamAudit(options.auditBytes) }
      entry = trace === undefined ? silent : traced(name, silent, trace)
      if (tables.size < maxTables) tables.set(key, entry)
    }
    return entry
  }
  const running = new Set<() => void>()
  let whenIdle = () => {}

  return {
    limits: options.limits,
    timers: options.timers,
    observe: options.observe,
    table,
    script: (name) => table(name).script,
    audit: (name) => table(name).audit,
    newStreamId: randomUUID,
    enroll: (shutdown) => {
      running.add(shutdown)
      return () => {
        running.delete(shutdown)
        if (running.size === 0) whenIdle()
      }
    },
    shutdown: (limitMillis) =>
      Effect.callback<void>((resume) => {
        whenIdle = () => resume(Effect.void)
        for (const shutdown of running) shutdown()
        if (running.size === 0) resume(Effect.void)
      }).pipe(Effect.timeoutOption(limitMillis), Effect.asVoid),
    openWriter: (name, format, done) =>
      run(store.openWriter(name, format), "Opening the table's writer failed.", done),
    openStream: (name, format, request, done) =>
      run(store.openStream(name, format, request), "Opening the stream failed.", done),
    retire: (name, streamId, done) =>
      run<OpenFailure | undefined>(
        Effect.as(store.retireStream(name, streamId), undefined),
        "Retiring the stream failed.",
        done
      )
  }
}
