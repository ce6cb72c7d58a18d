/**
 * The local server in a process of its own, to be killed: `serverProcess.ts FOLDER PORT HTTP_PORT`. Prints its endpoints and the
 * client's credentials as one line of JSON when it serves.
 */
import { Effect, Layer, Redacted } from "effect"
import { ZerobusLocal } from "effect-zerobus/testing"

const [dataDir = "", port = "0", httpPort = "0"] = process.argv.slice(2)

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
