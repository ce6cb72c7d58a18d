/**
 * Scans the shared log at start-up for the places of each table's records. The records themselves
 * are read when their table is opened, so that a long log needs little memory.
 */
import { FRAME_PREFIX } from "../../internal/log/frames.ts"
import { nodeDisk } from "../../internal/log/logDisk.ts"
import { DamagedLog, readSegmentFiles } from "../../internal/log/segmentFiles.ts"
import { type PeekedRecords, peekRecords, rowsIn } from "./logFrames.ts"
import { addPlace, type Place } from "./placedRows.ts"
import { type LogOwner, type OwnedFormat, readNotice } from "./sharedFrames.ts"
import { StorageFailure } from "./storageErrors.ts"

/** Records of a table in one file. */
export interface FoundPart {
  readonly places: Array<Place>
  firstSequence: number
  lastSequence: number
  /** A lower bound of the number of rows. */
  rows: number
  /** Per persistent stream with records in the part, its last message. */
  readonly streams: Map<string, LastMessage>
}

/** A message of a persistent stream. */
interface LastMessage {
  readonly offset: number
  readonly sequence: number
}

/** The records of one table, oldest first. */
export interface FoundTable {
  readonly owner: LogOwner
  readonly parts: Array<FoundPart>
}

/** The content of the files of a shared log. */
export interface FoundLogFiles {
  readonly tables: Map<string, FoundTable>
  /** The writers in each file. */
  readonly files: Map<number, Map<number, OwnedFormat>>
}

/**
 * Reads the files of a shared log. With `repair`, a torn end of the last file is truncated. Damage
 * elsewhere throws a `StorageFailure`.
 */
export const findRows = async (folder: string, repair: boolean): Promise<FoundLogFiles> => {
  const tables = new Map<string, FoundTable>()
  const files = new Map<number, Map<number, OwnedFormat>>()
  let writers = new Map<number, OwnedFormat>()
  /** The frames of the current file. Its number is known only after they were read. */
  let frames: Array<{ readonly start: number; readonly end: number; readonly body: Buffer }> = []
  try {
    const read = readSegmentFiles(nodeDisk, folder, repair, (content, body, end) =>
      frames.push({ start: body - FRAME_PREFIX, end, body: content.subarray(body, end) })
    )
    for await (const { number } of read) {
      for (const { body, end, start } of frames) {
        const notice = readNotice(body)
        if (notice !== undefined) {
          if ("dropped" in notice) drop(tables, notice.dropped, notice.upTo)
          else writers.set(notice.writer, notice.owned)
          continue
        }
        const records = peekRecords(body)
        const owned = records === undefined ? undefined : writers.get(records.writer)
        if (records === undefined || owned === undefined) continue
        const rows = rowsIn(body, owned.format)
        note(tables, owned.owner, number, start, end, rows, records)
      }
      files.set(number, writers)
      writers = new Map()
      frames = []
    }
  } catch (error) {
    if (!(error instanceof DamagedLog)) throw error
    throw new StorageFailure({
      reason: "CorruptLog",
      message:
        `The log ${error.path} of the tables is damaged at byte ${error.byte} of ` +
        `${error.bytes}, inside records that had ` +
        `been acknowledged. Restore the file from a backup, or move it away to give up its records.`
    })
  }
  return { tables, files }
}

/** Removes the records of a table up to a sequence number. */
const drop = (tables: Map<string, FoundTable>, tableId: string, upTo: number): void => {
  const table = tables.get(tableId)
  if (table === undefined) return
  const parts = table.parts.filter(({ lastSequence }) => lastSequence > upTo)
  for (const part of parts) {
    if (part.firstSequence > upTo) continue
    part.firstSequence = upTo + 1
    // The rows of the remaining entries were not counted separately.
    part.rows = 1
    for (const [id, last] of part.streams) if (last.sequence <= upTo) part.streams.delete(id)
  }
  if (parts.length > 0) tables.set(tableId, { ...table, parts })
  else tables.delete(tableId)
}

const note = (
  tables: Map<string, FoundTable>,
  owner: LogOwner,
  file: number,
  start: number,
  end: number,
  rows: number,
  { position, sequence }: PeekedRecords
): void => {
  let table = tables.get(owner.tableId)
  if (table === undefined) tables.set(owner.tableId, (table = { owner, parts: [] }))
  let part = table.parts[table.parts.length - 1]
  if (part === undefined || part.places[0]!.file !== file) {
    part = {
      places: [],
      firstSequence: sequence,
      lastSequence: sequence,
      rows: 0,
      streams: new Map()
    }
    table.parts.push(part)
  }
  addPlace(part.places, file, start, end)
  part.lastSequence = sequence
  part.rows += rows
  if (position !== undefined)
    part.streams.set(position.streamId, { offset: position.offset, sequence })
}
