/**
 * The register of a table's persistent streams on disk, next to the table's own log: a line of JSON
 * for each created and each retired stream. The log and the commits of the rows hold the offset up
 * to which a stream is durable.
 */
import * as Path from "node:path"
import { AppendedLines } from "../../internal/log/appendedLines.ts"
import { makeFoldersIn } from "../../internal/log/durableFile.ts"
import { readPlain } from "../../internal/log/plainFile.ts"
import type { PersistentStreamRecord } from "./persistentStreams.ts"

/** Records created and retired streams. Each call resolves once the entry is on disk. */
export interface StreamRegister {
  readonly created: (
    stream: Pick<PersistentStreamRecord, "streamId" | "kind" | "createdAt">
  ) => Promise<void>
  readonly retired: (stream: {
    readonly streamId: string
    readonly retiredAt: number
  }) => Promise<void>
}

/** The entry of a stream. */
type RegisteredStream = Omit<PersistentStreamRecord, "committed">

/** The register of a server in memory. */
export const noRegister: StreamRegister = { created: async () => {}, retired: async () => {} }

const fileIn = (folder: string): string => Path.join(folder, "streams.ndjson")

/** The register in a folder. The folder is created with the first stream. */
export const folderRegister = (folder: string): StreamRegister => {
  const lines = new AppendedLines(fileIn(folder), Infinity)
  const append = async (line: object): Promise<void> => {
    const above = Path.dirname(folder)
    await makeFoldersIn(Path.dirname(above), [Path.basename(above), Path.basename(folder)])
    await lines.append(`${JSON.stringify(line)}\n`)
  }
  return { created: append, retired: append }
}

/**
 * The streams in a register, oldest first. A line torn by a crash is ignored: its request was not
 * answered.
 */
export const registeredStreams = async (
  folder: string
): Promise<ReadonlyArray<RegisteredStream>> => {
  const streams = new Map<string, RegisteredStream>()
  const text = await readPlain(fileIn(folder)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
    return Buffer.alloc(0)
  })
  for (const line of text.toString("utf8").split("\n")) {
    const entry = parsed(line)
    if (entry === undefined) continue
    const { createdAt, kind, retiredAt, streamId } = entry
    const known = streams.get(streamId)
    if (kind !== undefined && createdAt !== undefined) {
      streams.set(streamId, { streamId, kind, createdAt, retiredAt: undefined })
    } else if (known !== undefined && retiredAt !== undefined)
      streams.set(streamId, { ...known, retiredAt })
  }
  return [...streams.values()]
}

/**
 * Registered streams, each durable up to its last offset in the table or in the log. Both maps are
 * by stream id.
 */
export const knownStreams = (
  registered: ReadonlyArray<RegisteredStream>,
  committed: ReadonlyMap<string, number>,
  logged: ReadonlyMap<string, number>
): ReadonlyArray<PersistentStreamRecord> =>
  registered.map((stream) => ({
    ...stream,
    committed: Math.max(committed.get(stream.streamId) ?? -1, logged.get(stream.streamId) ?? -1)
  }))

const parsed = (
  line: string
): ({ readonly streamId: string } & Partial<RegisteredStream>) | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null && "streamId" in value
      ? (value as { readonly streamId: string })
      : undefined
  } catch {
    return undefined
  }
}
