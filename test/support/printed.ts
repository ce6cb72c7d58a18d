/** Output of a process that is killed: it has left the process when the call returns. */
import { writeSync } from "node:fs"

/** Writes a text to standard output, however far its reader is behind. */
export const print = (text: string): void => {
  const bytes = Buffer.from(text)
  let written = 0
  while (written < bytes.length) {
    try {
      written += writeSync(1, bytes, written)
    } catch (error) {
      // Pipes between processes of Node do not block: a full one is tried again.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
    }
  }
}
