/**
 * The local server in a separate process, to be killed: `serverProcess.ts FOLDER PORT HTTP_PORT
 * [wait]`. When it serves, it prints its endpoints and the client's credentials as one line of
 * JSON. With `wait` it starts when it receives the first line of standard input.
 */
import { Effect, Layer, Redacted } from "effect"
import { once } from "node:events"
import { ZerobusLocal } from "effect-zerobus/testing"

const [dataDir = "", port = "0", httpPort = "0", wait] = process.argv.slice(2)
if (wait !== undefined) {
  // The parent process has ended.
  process.stdin.once("end", () => process.exit(1))
  await once(process.stdin, "data")
}

const serve = Effect.gen(function* () {
  const local = yield* ZerobusLocal
  console.log(
    JSON.stringify({
      serverEndpoint: local.serverEndpoint,
      workspaceUrl: local.workspaceUrl,
      clientId: local.clientId,
      clientSecret: Redacted.value(local.clientSecret)
    })
  )
  return yield* Effect.never
})

Effect.runFork(
  serve.pipe(
    Effect.provide(
      ZerobusLocal.layerServer({
        dataDir,
        port: Number(port),
        httpPort: Number(httpPort),
        ackInterval: "2 millis"
      }).pipe(Layer.orDie)
    )
  )
)
