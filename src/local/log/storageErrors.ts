/**
 * The errors of the local server's storage. Messages are full sentences for the operator of the
 * server; none contains the content of a record.
 */
import * as Data from "effect/Data"
import { FolderLocked } from "../../internal/log/folderLock.ts"
import { refusedPath } from "../../internal/log/plainFile.ts"

/**
 * Why storage failed. `DiskFull`, `NotWritable` and `TableRefused` end when the operator fixes the
 * cause; the store stays usable. `TableRefused`: another writer changed the table so that this
 * server cannot write it under the table's rules.
 *
 * @since 0.1.0
 * @category errors
 */
export type StorageReason =
  | "NotWritable"
  | "Locked"
  | "DiskFull"
  | "CorruptLog"
  | "CorruptTable"
  | "TableRefused"
  | "TableDropped"
  | "Closed"
  | "Io"

/**
 * The disk or the data folder failed. `message` names the folder and what to do.
 *
 * @since 0.1.0
 * @category errors
 */
export class StorageFailure extends Data.TaggedError("StorageFailure")<{
  /** Why it failed. */
  readonly reason: StorageReason
  /** What happened and what to do, as full sentences. */
  readonly message: string
}> {}

/**
 * A table of that name exists already. `problem` states why it is not served and what to do;
 * undefined for a served table.
 *
 * @since 0.1.0
 * @category errors
 */
export class TableExists extends Data.TaggedError("TableExists")<{
  /** The name of the table. */
  readonly name: string
  /** Why the table is not served, and what to do; undefined for a served table. */
  readonly problem?: string | undefined
}> {
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    return (
      this.problem ??
      `The table ${this.name} exists already. Drop it first, or choose another name.`
    )
  }
}

/**
 * No table of that name exists.
 *
 * @since 0.2.0
 * @category errors
 */
export class TableNotFound extends Data.TaggedError("TableNotFound")<{
  /** The name of the table. */
  readonly name: string
}> {
  /** What happened and what to do, as full sentences. */
  override get message(): string {
    return `The table ${this.name} does not exist. Create it first.`
  }
}

/**
 * A column has a type that this server cannot write in a form that every reader supports.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsupportedColumn extends Data.TaggedError("UnsupportedColumn")<{
  /** The name of the column. */
  readonly column: string
  /** What happened and what to do, as full sentences. */
  readonly message: string
}> {}

/**
 * The definition of a table is not acceptable.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidDefinition extends Data.TaggedError("InvalidDefinition")<{
  /** What happened and what to do, as full sentences. */
  readonly message: string
}> {}

/** Why a descriptor does not fit the table, as the codes of the real service. */
export type SchemaCause =
  | "FIELD_NOT_IN_TABLE"
  | "MISSING_REQUIRED_COLUMN"
  | "FIELD_OUT_OF_ORDER"
  | "TYPE_INCOMPATIBLE"
  | "FIELD_COUNT_MISMATCH"

/**
 * The descriptor of a stream does not fit the table, or is not a descriptor. `causes` is empty when
 * it could not be read.
 */
export class SchemaRejected extends Data.TaggedError("SchemaRejected")<{
  readonly causes: ReadonlyArray<SchemaCause>
  readonly message: string
}> {}

/**
 * Why a batch was refused: the index of the first bad record, its column path and what was expected
 * there, never the value.
 */
export class RecordRejected {
  readonly _tag = "RecordRejected"
  readonly index: number
  readonly path: string
  readonly expected: string
  constructor(index: number, path: string, expected: string) {
    this.index = index
    this.path = path
    this.expected = expected
  }
  /** One sentence with the index, the column and what was expected. */
  get message(): string {
    const where = this.path === "" ? "" : `, column ${this.path}`
    return `Record ${this.index} of the batch was refused${where}: ${this.expected}.`
  }
}

/**
 * The code of an error that becomes a failure with reason `TableRefused`. It identifies the error
 * after it has passed a thread boundary.
 */
export const tableRefused = "TABLE_REFUSED"

/**
 * Turns a file system error into a `StorageFailure` that states what to do. `doing` completes
 * "while ..."; `place` is used when the error has no path.
 */
export const storageFailure = (error: unknown, doing: string, place: string): StorageFailure => {
  if (error instanceof StorageFailure) return error
  if (error instanceof FolderLocked)
    return new StorageFailure({ reason: "Locked", message: error.message })
  const code =
    typeof error === "object" && error !== null && "code" in error && error.code
      ? String(error.code)
      : ""
  const path =
    (typeof error === "object" && error !== null && (error as NodeJS.ErrnoException).path) || place
  switch (code) {
    case tableRefused:
      return new StorageFailure({ reason: "TableRefused", message: (error as Error).message })
    case "NotAFile":
    case "NotAFolder":
      return new StorageFailure({ reason: "NotWritable", message: (error as Error).message })
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new StorageFailure({
        reason: "DiskFull",
        message:
          `The disk is full (${code}) while ${doing} in ${place}. Free space; records ` +
          `acknowledged so far are safe.`
      })
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new StorageFailure({
        reason: "NotWritable",
        message:
          `The server's user may not read or write ${refusedPath(error) ?? place} (${code}) ` +
          `while ${doing}. ` +
          "Give it access, or start the server with another data folder."
      })
    case "ENOTDIR":
      return new StorageFailure({
        reason: "NotWritable",
        message:
          `${path} cannot be a folder (ENOTDIR) while ${doing}: a part of it is a file. ` +
          `Correct it, or choose another data folder.`
      })
    case "ENAMETOOLONG":
      return new StorageFailure({
        reason: "NotWritable",
        message:
          `A path below ${place} is too long for the file system (ENAMETOOLONG) while ` +
          `${doing}. Use shorter names, or a data folder with a shorter path.`
      })
    case "ENOENT":
      return new StorageFailure({
        reason: "Io",
        message:
          `${path} is missing or cannot be created (ENOENT) while ${doing}. Restore it, or ` +
          `choose another data folder.`
      })
    default:
      return new StorageFailure({
        reason: "Io",
        message: `${code === "" ? "An unexpected error" : code} while ${doing} in ${place}${
          code === "" && error instanceof Error ? `: ${error.message.replace(/\.$/, "")}` : ""
        }.`
      })
  }
}
