/**
 * `zerobus spool` with the spool of a persistent stream: drained by that stream, and not repaired
 * where offsets are lost.
 */
import { assert, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { Spool, TableProperties, Zerobus, ZerobusLayer } from "effect-zerobus"
import { ConfigProvider } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { zerobus } from "../../support/commandLine.ts"
import { readingsServer } from "../../support/readingsServer.ts"

const { environment, folder, newTable, show } = readingsServer()

it("drains and shows the spool of a persistent stream, and repairs no lost offset", async () => {
  const table = await newTable()
  const path = Path.join(folder, "persistent")
  await Effect.gen(function* () {
    const client = yield* Zerobus
    const stream = yield* client.createPersistentStream(TableProperties.json(table), {
      spool: Spool.directory(path),
      scopeCloseTimeout: 0
    })
    yield* stream.ingestRecord({ device: "a" })
    yield* stream.flush
    yield* stream.ingestRecord({ device: "b" })
    yield* stream.ingestRecord({ device: "c" })
  }).pipe(
    Effect.scoped,
    Effect.provide(ZerobusLayer),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(environment)),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.runPromise
  )
  assert.match((await zerobus(["spool", "show", path])).out, /stream {4}\S+ \(persistent\)/)
  // The last stored acknowledgement may be older than the server's state.
  Fs.rmSync(Path.join(path, "acknowledged"), { force: true })
  const log = Path.join(path, "000000000001.log")
  const whole = Fs.readFileSync(log)
  const damaged = Buffer.from(whole)
  damaged[damaged.indexOf('"b"')] = 0
  Fs.writeFileSync(log, damaged)
  const refused = await zerobus(["spool", "repair", path, "--yes"])
  assert.strictEqual(refused.code, 2)
  assert.include(refused.err, "whose records keep their offsets")
  Fs.writeFileSync(log, whole)
  const letters = await zerobus(
    ["spool", "drain", path, "--dead-letters", Path.join(folder, "letters")],
    environment
  )
  assert.strictEqual(letters.code, 2)
  assert.include(letters.err, "Leave --dead-letters out")
  const { code, err, out } = await zerobus(["spool", "drain", path], environment)
  assert.strictEqual(code, 0, err)
  assert.include(out, "No record is waiting.")
  assert.strictEqual((await show(table, 3)).rows, 3)
}, 30_000)
