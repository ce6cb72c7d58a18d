/**
 * A text file to which lines are appended, each on disk before the append ends. A large file is
 * renamed and a new one is started.
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { syncFolder } from "./durableFile.ts"
import { lstatOf, openPlain } from "./plainFile.ts"

const { O_APPEND, O_CREAT, O_RDWR } = Fs.constants

/** Lines of one file, appended one after another for all callers. */
export class AppendedLines {
  private readonly path: string
  private readonly maxBytes: number
  private last: Promise<unknown> = Promise.resolve()

  /** `maxBytes` is the size from which on the file is renamed to `path.1`, `path.2`, ... */
  constructor(path: string, maxBytes: number) {
    this.path = Path.resolve(path)
    this.maxBytes = maxBytes
  }

  /** Appends lines, which must end with a line feed, and waits for the disk. */
  append(lines: string): Promise<void> {
    const done = this.last.then(() => this.write(lines))
    this.last = done.catch(() => undefined)
    return done
  }

  private async write(lines: string): Promise<void> {
    const before = await lstatOf(this.path)
    if (before?.isFile() === true && before.size >= this.maxBytes) await this.setAside()
    const handle = await openPlain(this.path, O_CREAT | O_RDWR | O_APPEND)
    try {
      const { size } = await handle.stat()
      await handle.appendFile((await this.isTorn(handle, size)) ? `\n${lines}` : lines)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    if (before === undefined || before.size >= this.maxBytes)
      await syncFolder(Path.dirname(this.path))
  }

  /** Whether the file ends within a line, as after a killed process. */
  private async isTorn(handle: Fs.FileHandle, size: number): Promise<boolean> {
    if (size === 0) return false
    const end = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    return end.buffer[0] !== 0x0a
  }

  private async setAside(): Promise<void> {
    const folder = Path.dirname(this.path)
    const prefix = `${Path.basename(this.path)}.`
    const numbers = (await Fs.readdir(folder))
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
    await Fs.rename(this.path, `${this.path}.${Math.max(0, ...numbers) + 1}`)
  }
}
