/**
 * The rows of a run with Arrow batches. They are made from their numbers and recognised by every
 * value, so that damaged batches are found.
 */
import {
  compressionRegistry,
  RecordBatchStreamWriter,
  Table,
  tableFromArrays,
  tableFromIPC,
  Field,
  Int32,
  LargeUtf8,
  Schema,
  Utf8,
  vectorFromArray
} from "apache-arrow"
import { zstdDecompressSync } from "node:zlib"
import { ArrowTable } from "../../../src/arrow/index.ts"
import { damaged } from "../records.ts"
import type { SeededRandom } from "../seededRandom.ts"
import { field, fields } from "../wireText.ts"

const ZSTD = 1

const schema = new Schema([
  new Field("i", new Int32(), true),
  new Field("p", new LargeUtf8(), true)
])

/** The tables of runs with Arrow batches, by compression. */
export const arrowTables = {
  none: ArrowTable.make("main.default.simulated", schema, { compression: "none" }),
  zstd: ArrowTable.make("main.default.simulated", schema, { compression: "zstd" })
}

/** A record, and the numbers of its rows. */
export interface Made {
  readonly rows: ReadonlyArray<number>
  readonly record: ArrowTable.ArrowRecord
}

const END = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])

/** All rows that a run has made. */
export class ArrowRows {
  private readonly sizes: Array<number> = []

  constructor() {
    if (compressionRegistry.get(ZSTD) === null)
      compressionRegistry.set(ZSTD, { decode: (bytes) => zstdDecompressSync(bytes) })
  }

  private text(id: number): string {
    return String.fromCharCode(97 + (id % 26)).repeat(this.sizes[id] ?? 0)
  }

  /** The rows with their texts as a dictionary, as the library makes them from an array. */
  private table(rows: ReadonlyArray<number>): Table {
    return tableFromArrays({ i: Int32Array.from(rows), p: rows.map((id) => this.text(id)) })
  }

  /** The rows with plain texts: a stream of several batches cannot have a second dictionary. */
  private plainTable(rows: ReadonlyArray<number>): Table {
    return new Table({
      i: vectorFromArray(rows, new Int32()),
      p: vectorFromArray(
        rows.map((id) => this.text(id)),
        new Utf8()
      )
    })
  }

  /**
   * A new record: a table, a batch, or the bytes of a stream, which may contain several batches.
   */
  next(random: SeededRandom): Made {
    const parts = Array.from({ length: random.pick([1, 1, 2, 3]) }, () =>
      Array.from(
        { length: random.pick([1, 1, 2, 5, 40]) },
        () => this.sizes.push(random.chance(0.95) ? random.int(20) : random.int(5_000)) - 1
      )
    )
    const rows = parts.flat()
    const dice = random.float()
    if (dice < 0.3 && parts.length === 1) return { rows, record: this.table(rows).batches[0]! }
    if (dice < 0.5) return { rows, record: this.table(rows) }
    const tables = parts.map((part) => this.plainTable(part))
    const writer = new RecordBatchStreamWriter({ autoDestroy: false })
    writer.reset(undefined, tables[0]!.schema)
    for (const { batches } of tables) for (const batch of batches) writer.write(batch)
    writer.finish()
    return { rows, record: writer.toUint8Array(true) }
  }

  /** The rows of a returned record. */
  rowsOf(record: ArrowTable.ArrowRecord): ReadonlyArray<number> {
    const table = record instanceof Uint8Array ? tableFromIPC(record) : record
    const texts = table.getChild("p")
    return [...(table.getChild("i") ?? [])].map((value, row) => {
      const id = Number(value)
      return id < this.sizes.length && texts?.get(row) === this.text(id) ? id : damaged
    })
  }

  /** The rows of a FlightData message with a batch. */
  recogniseAll(payload: Uint8Array): ReadonlyArray<number> {
    const parts = fields(payload)
    const header = field(parts, 2)
    const body = field(parts, 1000)
    if (!(header instanceof Uint8Array)) return [damaged]
    const padded = Math.ceil(header.length / 8) * 8
    const prefix = Buffer.alloc(8)
    prefix.writeInt32LE(-1)
    prefix.writeInt32LE(padded, 4)
    try {
      const ipc = Buffer.concat([
        arrowTables.none.descriptor!,
        prefix,
        header,
        Buffer.alloc(padded - header.length),
        body instanceof Uint8Array ? body : END.subarray(0, 0),
        END
      ])
      return this.rowsOf(ipc)
    } catch {
      return [damaged]
    }
  }
}
