/**
 * Why a spool cannot be opened, written or read. Messages are full sentences. None contains the
 * content of a record.
 */
import * as Path from "node:path"
import { NotAFile, NotAFolder } from "../log/plainFile.ts"
import { FolderLocked } from "../log/folderLock.ts"
import { DamagedLog } from "../log/segmentFiles.ts"

/**
 * - `Unavailable`: the disk or the folder fails now; the next attempt may succeed.
 * - `Locked`: another process holds the spool, or has taken it over.
 * - `Damaged`: bytes that were durable are missing or changed.
 * - `Mismatch`: the spool holds records of another table, record type or descriptor.
 */
export type SpoolFailureKind = "Unavailable" | "Locked" | "Damaged" | "Mismatch"

/** A failure of a spool. `message` states where it happened and what to do. */
export class SpoolFailure extends Error {
  override readonly name = "SpoolFailure"
  readonly kind: SpoolFailureKind

  constructor(kind: SpoolFailureKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Converts any failure to one of a spool. `doing` completes "while ...". */
export const spoolFailure = (error: unknown, doing: string, folder: string): SpoolFailure => {
  if (error instanceof SpoolFailure) return error
  if (error instanceof FolderLocked) return new SpoolFailure("Locked", error.message)
  if (error instanceof DamagedLog) return damaged(error.path, error.byte, error.bytes)
  if (error instanceof NotAFile || error instanceof NotAFolder) {
    return new SpoolFailure("Unavailable", `${error.message} Choose another folder for the spool.`)
  }
  const code =
    typeof error === "object" && error !== null && "code" in error ? String(error.code) : ""
  const where = `The spool ${folder} failed while ${doing}`
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new SpoolFailure(
        "Unavailable",
        `${where}: the disk is full (${code}). Free space; nothing was lost.`
      )
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new SpoolFailure(
        "Unavailable",
        `${where}: it is not writable (${code}). Give the process write access.`
      )
    case "ENOENT":
      return new SpoolFailure(
        "Unavailable",
        `${where}: the folder or a file in it is gone (ENOENT). Put it back.`
      )
    default: {
      const reason =
        code === "" ? (error instanceof Error ? error.message : "an unexpected error") : code
      return new SpoolFailure("Unavailable", `${where}: ${reason}`.replace(/[.]?$/, "."))
    }
  }
}

/** The failure of a file whose bytes differ from what was written. */
export const damaged = (path: string, byte: number, bytes: number): SpoolFailure =>
  new SpoolFailure(
    "Damaged",
    `The spool file ${path} is damaged at byte ${byte} of ${bytes}. Nothing was changed. ` +
      `Restore the file from a backup, or let zerobus spool repair ${Path.dirname(path)} keep ` +
      `what can be read.`
  )
