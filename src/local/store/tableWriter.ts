/**
 * The writer of one stream over a `TableEngine`.
 */
import type { LogFormat } from "../log/logFrames.ts"
import type { TableEngine } from "./tableEngine.ts"
import type { TableWriter } from "./tableStore.ts"

/** Opens a writer; the format must have been checked against the table. */
export const tableWriter = (engine: TableEngine, format: LogFormat): TableWriter => {
  const writer = engine.openWriter(format)
  return {
    appendUnsafe: (records) => engine.append(writer, records),
    onDurable: (ticket, callback) => engine.onDurable(ticket, callback),
    pressure: () => engine.pressure,
    onRoom: (callback) => engine.onRoom(callback),
    close: () => {}
  }
}
