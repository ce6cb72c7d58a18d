/**
 * Shared by the storage tests: a temporary folder, a table with every column type, and functions
 * that append and wait.
 */
import { Effect, Result } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseTableDefinition } from "../../src/internal/columns/columnType.ts"
import { RecordRejected, type StorageFailure } from "../../src/local/log/storageErrors.ts"
import type { TableWriter } from "../../src/local/store/tableStore.ts"

export const table = (text: string) =>
  Result.getOrThrowWith(parseTableDefinition(text), (why) => new Error(why))

/** Store options for tests that flush explicitly. */
export const byHand = { flushIntervalMillis: 3_600_000 }

export const json = (value: unknown) => Buffer.from(JSON.stringify(value))

/** A temporary folder that is removed with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "zerobus-store-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

/** The files of all logs of a data folder, with their paths. */
export const logFiles = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await Fs.readdir(Path.join(folder, ".wal"), {
    recursive: true,
    withFileTypes: true
  }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".log"))
    .map((entry) => Path.join(entry.parentPath, entry.name))
    .sort()
}

/** Appends one message and succeeds when it is durable. */
export const append = (writer: TableWriter, records: ReadonlyArray<Uint8Array>) =>
  Effect.callback<void, StorageFailure | RecordRejected>((resume) => {
    const ticket = writer.appendUnsafe(records)
    if (ticket instanceof RecordRejected) return resume(Effect.fail(ticket))
    writer.onDurable(ticket, (failure) =>
      resume(failure === undefined ? Effect.void : Effect.fail(failure))
    )
  })

const columns = `id BIGINT NOT NULL, flag BOOLEAN, tiny TINYINT, small SMALLINT, whole INT,
  real FLOAT, precise DOUBLE, words STRING, blob BINARY, day DATE, at TIMESTAMP, price DECIMAL(9,2),
  total DECIMAL(18,4), huge DECIMAL(38,10), tags ARRAY<STRING>, counts MAP<STRING, INT>,
  place STRUCT<lat: DOUBLE, names: ARRAY<STRUCT<lang: STRING, text: STRING>>>`

/** Every column type without a table feature, and one with a feature. */
export const everyType = table(`main.default.every(${columns}, local TIMESTAMP_NTZ)`)
export const everyPlainType = table(`main.default.plain(${columns})`)

/** A record of {@link everyType} as JSON, and the same as a row. */
export const fullRecord = {
  id: "9007199254740993",
  flag: true,
  tiny: -128,
  small: 32767,
  whole: -5,
  real: 1.5,
  precise: 0.1,
  words: "žluťoučký 🐎",
  blob: "AAEC",
  day: 20000,
  at: 1767225600000001,
  price: "-12.50",
  total: "99999999999999.9999",
  huge: "1234567890123456789012345678.0123456789",
  tags: ["a", "", "c"],
  counts: { x: 1, y: null },
  place: { lat: 44.8, names: [{ lang: "cs", text: null }, { lang: "en" }] },
  local: -1
}
export const fullRow = {
  ...fullRecord,
  id: 9007199254740993n,
  blob: new Uint8Array([0, 1, 2]),
  at: 1767225600000001n,
  counts: new Map([
    ["x", 1],
    ["y", null]
  ]),
  place: {
    lat: 44.8,
    names: [
      { lang: "cs", text: null },
      { lang: "en", text: null }
    ]
  },
  local: -1n
}
