/**
 * `zerobus local` with a table of readings, for tests of commands, and their shared steps.
 */
import { afterAll, assert, beforeAll } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type LocalServer, startServer, temporaryFolder, zerobus } from "./commandLine.ts"

/** The output of `table show`. */
interface Shown {
  readonly rows: number
  readonly version: number
  readonly persistentStreams?: ReadonlyArray<{
    readonly streamId: string
    readonly committedOffset: number
  }>
}

/** The table that the server has from its start. */
export const readings =
  "main.default.readings(device STRING NOT NULL, temp INT, seen TIMESTAMP, price DECIMAL(10,2))"

/** Starts the server before the tests of a file and stops it after them. */
export const readingsServer = () => {
  const folder = temporaryFolder()
  const dataDir = Path.join(folder, "data")
  /** Filled when the server has started. */
  const environment: Record<string, string> = {}
  let server: LocalServer

  const file = (name: string, content: string | Uint8Array): string => {
    const path = Path.join(folder, name)
    Fs.writeFileSync(path, content)
    return path
  }

  /** A fresh table like `readings`. */
  let tables = 0
  const newTable = async (definition = readings): Promise<string> => {
    const name = `main.default.t${++tables}`
    const { code, err } = await zerobus(
      ["table", "create", definition.replace(/^[^(]+/, name)],
      environment
    )
    assert.strictEqual(code, 0, err)
    return name
  }

  /**
   * The table in the output of `table show`, once all acknowledged rows are committed. Waits for
   * rows instead of sleeping.
   */
  const show = async (table: string, rows: number): Promise<Shown> => {
    for (;;) {
      const { code, err, out } = await zerobus(["table", "show", table, "--json"], environment)
      assert.strictEqual(code, 0, err)
      const shown = JSON.parse(out)
      if (shown.rows >= rows) return shown
    }
  }

  beforeAll(async () => {
    server = await startServer(["--data-dir", dataDir, "--table", readings])
    Object.assign(environment, server.environment)
  }, 30_000)

  afterAll(async () => {
    server.child.kill("SIGTERM")
    await server.end
    Fs.rmSync(folder, { recursive: true, force: true })
  })

  return { dataDir, environment, file, folder, newTable, show }
}
