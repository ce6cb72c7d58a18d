/**
 * A Kafka broker for tests: a single node in KRaft mode, in a temporary folder, on loopback. `npm
 * run test:kafka` provides the jars in `KAFKA_JARS`.
 */
import { Admin } from "@platformatic/kafka"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./freePort.ts"

const jars = process.env["KAFKA_JARS"] ?? ""

/** Whether the tests can run: false when Java or the jars are missing. */
export const hasKafka = jars !== ""

const settings = (
  folder: string,
  port: number,
  controller: number
) => `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:${controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=${join(folder, "logs")}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
`

const java = (main: string, ...args: ReadonlyArray<string>) => [
  "-Xmx256m",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-cp",
  `${jars}/*`,
  main,
  ...args
]

const start = async () => {
  const folder = mkdtempSync(join(tmpdir(), "zerobus-kafka-"))
  const [port, controller] = [await freePort(), await freePort()]
  const file = join(folder, "server.properties")
  writeFileSync(file, settings(folder, port, controller))
  const cluster = "4L6g3nShT-eMCtK--X86sw"
  const format = java(
    "kafka.tools.StorageTool",
    "format",
    "--standalone",
    "-t",
    cluster,
    "-c",
    file
  )
  execFileSync("java", format, { stdio: "pipe" })
  const broker = spawn("java", java("kafka.Kafka", file), {
    stdio: ["ignore", "ignore", "inherit"]
  })
  return { folder, broker, address: `127.0.0.1:${port}` }
}

/** Succeeds when the broker answers. */
const answers = (address: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Admin({ clientId: "test", bootstrapBrokers: [address], retries: 0 })),
    (admin) => Effect.tryPromise(() => admin.listTopics()),
    (admin) => Effect.promise(() => admin.close())
  ).pipe(Effect.retry(Schedule.spaced("200 millis")), Effect.timeout("60 seconds"), Effect.orDie)

/** Starts a broker and returns its address. It is stopped and its folder deleted with the scope. */
export const startKafka: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(start),
  ({ broker, folder }) =>
    Effect.promise(async () => {
      const ended = once(broker, "exit")
      broker.kill("SIGKILL")
      await ended
      rmSync(folder, { recursive: true, force: true })
    })
).pipe(
  Effect.tap(({ address }) => answers(address)),
  Effect.map(({ address }) => address)
)
