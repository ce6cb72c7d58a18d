/**
 * `zerobus local`: runs the local server until it is stopped. The work is in `localRun.ts`, which
 * is loaded when the command runs.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { pathFlag } from "./terminal/pathParam.ts"
import { jsonFlag } from "./terminal/sharedFlags.ts"

const duration = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar("duration"),
    Flag.optional
  )

const port = (name: string, description: string, otherwise: number) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar("port"),
    Flag.filterMap(
      (text) =>
        /^\d+$/.test(text) && Number(text) <= 65_535 ? Option.some(Number(text)) : Option.none(),
      () => "a port from 0 to 65535"
    ),
    Flag.withDefault(otherwise)
  )

const flags = {
  dataDir: pathFlag("data-dir", "directory").pipe(
    Flag.withDescription("Folder of the Delta tables, created when missing; default zerobus-data"),
    Flag.optional
  ),
  memory: Flag.Boolean("memory").pipe(
    Flag.withDescription("Keep tables in memory only; they are gone when the server stops"),
    Flag.withDefault(false)
  ),
  port: port("port", "Port of the gRPC service, 0 for a free one; default 7170", 7170),
  httpPort: port(
    "http-port",
    "Port of the token endpoint and the catalog, 0 for a free one; default 7171",
    7171
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on; default 127.0.0.1"),
    Flag.withDefault("127.0.0.1")
  ),
  allowRemote: Flag.Boolean("allow-remote").pipe(
    Flag.withDescription("Allow a --host that other machines can reach"),
    Flag.withDefault(false)
  ),
  hostNames: Flag.String("allow-host").pipe(
    Flag.withAlias("tls-name"),
    Flag.withDescription(
      "Further name or address under which clients reach the server, such as " +
        "host.docker.internal; the certificate of --tls is for it too; repeatable"
    ),
    Flag.withMetavar("name"),
    Flag.atLeast(0)
  ),
  auth: Flag.Boolean("auth").pipe(
    Flag.withDescription(
      "Check tokens as the service does; on by default, --no-auth accepts any token"
    ),
    Flag.withDefault(true)
  ),
  console: Flag.Boolean("console").pipe(
    Flag.withDescription(
      "Serve the console, a page that shows the server live; on by default on loopback, " +
        "--no-console leaves it out"
    ),
    Flag.optional
  ),
  tls: Flag.Boolean("tls").pipe(
    Flag.withDescription(
      "Serve https with the server's own certificate, stored in the data folder; clients " +
        "trust it with NODE_EXTRA_CA_CERTS"
    ),
    Flag.withDefault(false)
  ),
  tables: Flag.String("table").pipe(
    Flag.withDescription(
      "Table to create: catalog.schema.table(column TYPE, ...); repeatable. A table that exists " +
        "is kept, and differences are reported"
    ),
    Flag.withMetavar("definition"),
    Flag.atLeast(0)
  ),
  tablesFile: pathFlag("tables").pipe(
    Flag.withDescription(
      "File of CREATE TABLE statements. An equal existing table is kept; one " +
        "that differs is refused"
    ),
    Flag.optional
  ),
  watch: Flag.Boolean("watch").pipe(
    Flag.withDescription(
      "Follow the file of --tables: create new tables, add nullable columns, and log what " +
        "differs otherwise"
    ),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  principals: Flag.String("principal").pipe(
    Flag.withDescription(
      "Further service principal, with its grants: 'reader: USE CATALOG, USE SCHEMA, SELECT ON " +
        "main'; NAME alone may do everything; repeatable. " +
        "Its secret is printed, or that of ZEROBUS_LOCAL_SECRET_<NAME>"
    ),
    Flag.withMetavar("name: grants"),
    Flag.atLeast(0)
  ),
  trustIssuers: Flag.String("trust-issuer").pipe(
    Flag.withDescription(
      "Identity provider whose JWTs are exchanged for tokens, with the file of its public keys " +
        "(JWKS or PEM); repeatable. " +
        "A server in memory without any accepts JWTs without signature"
    ),
    Flag.withMetavar("issuer=file"),
    Flag.atLeast(0)
  ),
  subjects: Flag.String("subject").pipe(
    Flag.withDescription(
      "Subject of JWTs that acts as a principal, such as " +
        "'local-client=system:serviceaccount:apps:writer'; repeatable. " +
        "The name of a principal is always one of its subjects"
    ),
    Flag.withMetavar("principal=subject"),
    Flag.atLeast(0)
  ),
  sharedFiles: Flag.Boolean("shared-files").pipe(
    Flag.withDescription(
      "Let other users of this machine read the tables; by default only who runs the server can"
    ),
    Flag.withDefault(false)
  ),
  visibleOnceAcked: Flag.Boolean("visible-once-acked").pipe(
    Flag.withDescription(
      "Acknowledge records only when the table contains them, for tests; creates many small files"
    ),
    Flag.withDefault(false)
  ),
  streamLife: duration(
    "stream-life",
    'How long a stream lives until the server requests a reconnect; default "15 minutes"'
  ),
  ackInterval: duration(
    "ack-interval",
    'Least time between two acknowledgements of a stream; default "5 millis"'
  ),
  rateLimit: Flag.Int("rate-limit").pipe(
    Flag.withDescription("Records a second that a stream may send; default no limit"),
    Flag.optional
  ),
  logFormat: Flag.Literals("log-format", ["text", "json"]).pipe(
    Flag.withDescription(
      "How the log is written to standard error: lines to read, or one JSON object a line"
    ),
    Flag.withDefault("text" as const)
  ),
  json: jsonFlag("Print what a client needs as one line of JSON")
}

/** The command's flags and arguments. */
export type LocalInput = Command.Command.Config.Infer<typeof flags>

/** The command. */
export const local = Command.make("local", flags, (input) =>
  Effect.promise(() => import("./localRun.ts")).pipe(
    Effect.flatMap(({ runLocal }) => runLocal(input)),
    // The scope has closed: every acknowledged record is committed. An interrupt is the normal end
    // of this command, so the exit code is 0.
    Effect.onInterrupt(() =>
      Effect.sync(() => {
        process.exitCode = 0
      })
    )
  )
).pipe(
  Command.withDescription(
    "Run a Zerobus server on this machine that writes real Delta tables; for development, not " +
      "for production"
  ),
  Command.withExamples([
    {
      command:
        "zerobus local --table 'main.default.air_quality(device_name STRING, temp INT, humidity " +
        "BIGINT)'",
      description: "A server with one table"
    },
    {
      command: "zerobus local --memory --port 0 --http-port 0 --json",
      description: "A throw-away server for a script"
    }
  ])
)
