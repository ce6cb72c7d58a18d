/**
 * Temporary copies of data files with shredded VARIANTs that lack the VARIANT annotation.
 *
 * Spark 4.0 writes such files. DuckDB reassembles the values only when the annotation is present,
 * so the copies add it.
 */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import type { ColumnDefinition } from "../internal/columns/columnType.ts"
import { footerBytes } from "../local/parquet/fileFooter.ts"
import { annotatedEnd } from "../local/parquet/variantAnnotation.ts"
import type { LiveFile, LiveTable } from "../local/delta/liveFiles.ts"

interface Table {
  readonly columns: ReadonlyArray<ColumnDefinition>
  readonly live: LiveTable
}

/**
 * Runs `use` with tables in which a copy replaces each file that needs one. The copies are in a
 * folder that only this user can read. They are deleted afterwards.
 */
export const withAnnotatedCopies = async <T extends Table, A>(
  tables: ReadonlyArray<T>,
  needsCopy: (table: T, file: LiveFile) => boolean,
  use: (tables: ReadonlyArray<T>) => Promise<A>
): Promise<A> => {
  if (!tables.some((table) => table.live.live.some((file) => needsCopy(table, file))))
    return use(tables)
  const folder = await Fs.mkdtemp(Path.join(Os.tmpdir(), "zerobus-query-"))
  try {
    const readable: Array<T> = []
    for (const table of tables) {
      const live: Array<LiveFile> = []
      for (const file of table.live.live) {
        if (!needsCopy(table, file)) live.push(file)
        else {
          const path = Path.join(folder, `${readable.length}-${live.length}.parquet`)
          await copyAnnotated(file.path, path, table.columns)
          live.push({ ...file, path, annotatedVariants: table.columns.map(({ name }) => name) })
        }
      }
      readable.push({ ...table, live: { ...table.live, live } })
    }
    return await use(readable)
  } finally {
    await Fs.rm(folder, { recursive: true, force: true })
  }
}

/** The data pages keep their positions, so only the footer is rewritten. */
const copyAnnotated = async (
  from: string,
  to: string,
  columns: ReadonlyArray<ColumnDefinition>
): Promise<void> => {
  // Shares blocks with the original when the file system supports it.
  await Fs.copyFile(from, to, Fs.constants.COPYFILE_FICLONE)
  await Fs.chmod(to, 0o600)
  const file = await Fs.open(to, "r+")
  try {
    const { size } = await file.stat()
    const last = async (length: number) => {
      const tail = new Uint8Array(length)
      await file.read(tail, 0, length, size - length)
      return tail
    }
    const { bytes, replaced } = annotatedEnd(await last(footerBytes(await last(8))), columns)
    await file.truncate(size - replaced)
    await file.write(bytes, 0, bytes.length, size - replaced)
  } finally {
    await file.close()
  }
}
