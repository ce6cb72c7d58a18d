/**
 * The rooms of `src` and their allowed imports, as data. A room is a folder, or a list of files if
 * a folder contains several rooms.
 *
 * Entries of `imports` name another room, or one file of it. Every room may import the models.
 * Packages are named as in import lines; `name/*` matches everything below a name. The groups of
 * Effect are explained where they are defined.
 */

/** One room. */
export interface Room {
  /** The folder below `src`, or a separate name if `files` is given. */
  readonly name: string
  /** The files of the room, without extension, if several rooms share a folder. */
  readonly files?: ReadonlyArray<string>
  /** Rooms, or single files, that this one may import. */
  readonly imports: ReadonlyArray<string>
  readonly packages: ReadonlyArray<string>
}

/**
 * Modules of Effect that may change in a minor release, and those that access the machine. Each
 * room that uses them must list them.
 */
const unstable = new Set(
  (
    "http http-api cli observability process socket persistence rpc sql workers cluster " +
    "encoding testing " +
    "FileSystem Path Terminal"
  ).split(" ")
)

/**
 * Effect without modules that run, wait or read the environment: enough for models, codecs and
 * schemas.
 */
const pure = new Set(
  (
    "Array BigDecimal BigInt Brand Cause Chunk Context Data DateTime Duration Effect Equal Exit " +
    "Function Hash HashMap Match Metric " +
    "Number Option Order Pipeable Predicate Record Redacted Result Schema SchemaAST " +
    "SchemaGetter SchemaIssue SchemaParser " +
    "SchemaTransformation String Struct Types"
  ).split(" ")
)

const groups: Readonly<Record<string, (module: string) => boolean>> = {
  "effect: pure": (module) => pure.has(module),
  "effect: stable": (module) => !unstable.has(module.split("/")[0]!)
}

/** Whether an entry of `packages` matches the specifier of an import. */
export const takesPackage = (entry: string, specifier: string): boolean => {
  const group = groups[entry]
  if (group !== undefined)
    return specifier.startsWith("effect/") && group(specifier.slice("effect/".length))
  return entry.endsWith("/*") ? specifier.startsWith(entry.slice(0, -1)) : entry === specifier
}

const network = [
  "node:http",
  "node:https",
  "node:net",
  "node:tls",
  "node:dns",
  "node:http2",
  "node:crypto"
]
const files = ["node:fs/promises", "node:path", "node:crypto", "node:os", "node:zlib"]

export const rooms: ReadonlyArray<Room> = [
  {
    name: "models",
    files: ["StreamState", "Offset", "ZerobusError", "ZerobusMetrics"],
    imports: [],
    packages: ["effect: pure"]
  },
  {
    // The public interface of the client: types, services and options.
    name: "faces",
    files: [
      "Transport",
      "HeadersProvider",
      "TableProperties",
      "RecordAck",
      "ReturnedRecords",
      "ZerobusStream",
      "StreamConfigurationOptions",
      "ZerobusOptions"
    ],
    imports: ["internal", "internal/codec", "internal/landing", "internal/protobuf"],
    packages: ["effect: stable"]
  },
  {
    name: "transport",
    files: ["GrpcTransport"],
    imports: ["faces", "internal/grpc", "internal/net", "internal/userCode/opening"],
    packages: ["effect: stable"]
  },
  {
    name: "workspace",
    files: ["Credentials", "UnityCatalog"],
    imports: ["faces", "internal", "internal/net", "internal/columns", "internal/userCode/opening"],
    packages: ["effect: stable"]
  },
  {
    name: "public",
    files: ["Column", "DeadLetters", "Spool", "StreamPool", "Table", "Zerobus"],
    imports: [
      "faces",
      "transport",
      "workspace",
      "internal",
      "internal/columns",
      "internal/protobuf",
      "internal/codec",
      // Loaded when a stream opens that needs it.
      "internal/flight/rowProtocol",
      "internal/engine",
      "internal/persistent",
      "internal/pool",
      "internal/log",
      "internal/spool",
      "internal/userCode"
    ],
    packages: ["effect: stable"]
  },
  {
    name: "index",
    files: ["index"],
    imports: ["faces", "transport", "workspace", "public"],
    packages: []
  },

  // Shared by several rooms: the options of everything, the interface between codec and landing
  // zone, and texts without secrets.
  {
    name: "internal",
    files: [
      "internal/optionRules",
      "internal/recordCodec",
      "internal/tableForm",
      "internal/spooledLog",
      "internal/scrub"
    ],
    imports: ["internal/userCode/wake", "internal/protobuf"],
    packages: ["effect: pure"]
  },
  // The boundary to user code: what the engine runs of it, and where.
  { name: "internal/userCode", imports: [], packages: ["effect: stable"] },
  { name: "internal/columns", imports: [], packages: ["effect: pure"] },
  { name: "internal/protobuf", imports: ["internal/columns"], packages: ["effect: pure"] },
  // Arrow's IPC messages as bytes, and the types of columns in them. Does not use an Arrow package.
  { name: "internal/arrow", imports: ["internal/columns"], packages: ["effect: pure"] },
  // Avro's schemas and binary data, read without a package.
  { name: "internal/avro", imports: ["internal/columns"], packages: [] },
  {
    name: "internal/codec",
    imports: ["internal", "internal/columns", "internal/protobuf"],
    packages: ["effect: pure"]
  },
  {
    name: "internal/landing",
    imports: [
      "internal/recordCodec",
      "internal/spooledLog",
      "internal/tableForm",
      "internal/protobuf",
      "internal/userCode"
    ],
    packages: ["effect: stable"]
  },
  // Arrow Flight: its messages as bytes, and Arrow batches in a session.
  {
    name: "internal/flight",
    imports: [
      "internal/recordCodec",
      "internal/landing/bufferPool",
      "internal/protobuf",
      "internal/arrow",
      "internal/columns"
    ],
    packages: ["effect: pure", "node:zlib"]
  },
  {
    name: "internal/net",
    imports: ["faces", "internal/scrub", "internal/userCode"],
    // The file with the token of an identity provider.
    packages: ["effect: stable", "node:fs/promises", ...network]
  },
  {
    name: "internal/grpc",
    imports: ["faces", "internal/net", "internal/scrub", "internal/protobuf", "internal/userCode"],
    packages: ["effect: stable", "@grpc/grpc-js", "node:net", "node:http2"]
  },
  // What a stream reports to waiting calls: settled offsets, and its states.
  {
    name: "internal/receipts",
    imports: ["faces", "internal/userCode"],
    packages: ["effect: stable"]
  },
  // Several lanes behind one stream: the lane of each record, what all lanes have settled, and
  // callers that wait for room.
  {
    name: "internal/lanes",
    imports: [
      "internal/recordCodec",
      "internal/spooledLog",
      "internal/landing",
      "internal/receipts",
      "internal/protobuf",
      "internal/userCode"
    ],
    packages: ["effect: stable"]
  },
  {
    // A table whose columns a running stream follows.
    name: "internal/follow",
    imports: ["faces", "internal/tableForm", "internal/userCode"],
    packages: ["effect: stable"]
  },
  {
    name: "internal/engine",
    imports: [
      "faces",
      "internal/follow",
      "internal/lanes",
      "internal/recordCodec",
      "internal/tableForm",
      "internal/spooledLog",
      "internal/landing",
      "internal/receipts",
      "internal/protobuf",
      "internal/userCode",
      "internal/scrub",
      "internal/columns/tableName",
      "internal/grpc/grpcStatus"
    ],
    packages: ["effect: stable"]
  },
  {
    // Persistent streams outside the engine: the options they accept, and their end.
    name: "internal/persistent",
    imports: ["faces", "internal/engine", "internal/protobuf", "internal/columns/tableName"],
    packages: ["effect: stable"]
  },
  {
    // Pools: which table has a stream, and for how long. The streams handle the records.
    name: "internal/pool",
    imports: ["faces", "internal/engine", "internal/landing", "internal/userCode"],
    packages: ["effect: stable"]
  },
  { name: "internal/log", imports: [], packages: ["node:fs", "node:util", ...files] },
  {
    // The log of a spool. It holds bytes: no record, no stream, no fiber.
    name: "internal/spool",
    imports: ["internal/log", "internal/protobuf"],
    packages: ["effect: pure", ...files]
  },

  { name: "local", files: ["local/timers"], imports: [], packages: ["effect/*"] },
  {
    name: "local/parquet",
    imports: ["internal/columns"],
    packages: [
      "effect/*",
      "node:zlib",
      "node:buffer",
      "hyparquet",
      "hyparquet/*",
      "hyparquet-writer",
      "hyparquet-writer/*"
    ]
  },
  {
    name: "local/log",
    imports: [
      "internal/log",
      "internal/columns",
      "internal/arrow/ipcMessage",
      "internal/flight",
      "internal/protobuf"
    ],
    packages: ["effect/*", "node:fs", "node:worker_threads", ...files]
  },
  {
    name: "local/faults",
    imports: ["local", "local/log"],
    packages: ["effect/*", "node:net", "node:stream"]
  },
  {
    name: "local/auth",
    imports: ["local", "local/log", "internal/log", "internal/columns"],
    packages: ["effect/*", ...files]
  },
  {
    name: "local/records",
    imports: [
      "local/parquet",
      "local/log",
      "internal/log",
      "internal/protobuf",
      "internal/arrow",
      "internal/avro",
      "internal/flight",
      "internal/columns"
    ],
    packages: ["effect/*", "node:buffer"]
  },
  {
    // Decodes records in a separate thread, in blocks.
    name: "local/decoding",
    imports: ["local/records", "local/parquet", "local/log", "internal/columns"],
    packages: ["effect/*", "node:worker_threads"]
  },
  {
    name: "local/delta",
    imports: ["local/records", "local/parquet", "local/log", "internal/log", "internal/columns"],
    packages: ["effect/*", "node:fs", "node:url", ...files]
  },
  {
    // Keeps tables small: merges files, and deletes those that the retention no longer covers.
    name: "local/upkeep",
    imports: ["local/delta", "local/parquet", "local/log", "internal/log", "internal/columns"],
    packages: ["effect/*", ...files]
  },
  {
    // Persistent streams: which client has each one open, how far each is durable, and the file
    // that lists them.
    name: "local/persistent",
    imports: ["local/log", "internal/log"],
    packages: ["effect: pure", ...files]
  },
  {
    // Writes rows into a table. It has no log and no stream, and runs in a separate thread.
    name: "local/flush",
    imports: ["local/delta", "local/upkeep", "local/parquet", "local/log", "internal/log"],
    packages: ["effect/*", "node:worker_threads", ...files]
  },
  {
    name: "local/store",
    imports: [
      "local",
      "local/persistent",
      "local/flush",
      "local/delta",
      "local/upkeep",
      "local/decoding",
      "local/records",
      "local/parquet",
      "local/log",
      "internal/log",
      "internal/protobuf",
      "internal/columns"
    ],
    packages: ["effect/*", ...files]
  },
  {
    name: "local/stream",
    imports: [
      "local",
      "local/persistent",
      "local/store",
      "local/records",
      "local/log",
      "local/faults",
      "internal/log",
      "internal/arrow",
      "internal/flight",
      "internal/protobuf"
    ],
    packages: ["effect/*", "node:crypto"]
  },
  {
    name: "local/activity",
    imports: ["local", "local/stream", "local/store", "local/faults", "internal/grpc/grpcStatus"],
    packages: ["effect: stable"]
  },
  {
    // The data that the console sends to its page. The page itself is in the folder console, next
    // to src.
    name: "local/console",
    imports: [
      "local",
      "local/activity",
      "local/stream",
      "local/store",
      "internal/columns",
      "internal/grpc/grpcStatus"
    ],
    packages: ["effect/*", "node:crypto"]
  },
  {
    name: "local/endpoints",
    imports: [
      "local",
      "local/activity",
      "local/console",
      "local/stream",
      "local/persistent",
      "local/store",
      "local/auth",
      "local/faults",
      "local/log",
      "internal/log",
      "internal/columns",
      "internal/flight",
      "internal/grpc/frameSplitter",
      "internal/net/loopback"
    ],
    packages: ["effect/*", "@grpc/grpc-js", "node:url", ...files, ...network]
  },

  {
    name: "testing",
    imports: [
      "faces",
      "transport",
      "workspace",
      "public",
      "internal/optionRules",
      "internal/columns",
      "internal/net/loopback",
      "local",
      "local/log",
      "local/faults",
      "local/auth",
      "local/persistent",
      "local/store",
      "local/stream",
      "local/activity",
      "local/console",
      "local/endpoints"
    ],
    packages: ["effect/*", "@effect/platform-node/*", "#console-page", ...network]
  },
  {
    // Ingestion over many processes: a separate subpath that the client does not load.
    name: "cluster",
    imports: [
      "faces",
      "public",
      "internal/optionRules",
      "internal/columns/tableName",
      "internal/landing/scratchWriter",
      "internal/landing/sizeLimits",
      "internal/protobuf/reader"
    ],
    packages: ["effect: stable", "effect/cluster/*", "effect/rpc/*", "node:crypto"]
  },
  {
    // Arrow batches by Arrow Flight: a separate subpath that the client does not load.
    name: "arrow",
    imports: [
      "faces",
      "workspace",
      "internal",
      "internal/arrow",
      "internal/columns",
      "internal/flight"
    ],
    packages: ["effect: stable", "apache-arrow", "node:zlib"]
  },
  {
    // Avro records: a separate subpath that the client does not load.
    name: "avro",
    imports: [
      "faces",
      "internal",
      "internal/avro",
      "internal/codec",
      "internal/columns",
      "internal/protobuf"
    ],
    packages: []
  },
  {
    name: "cli",
    imports: [
      "faces",
      "transport",
      "workspace",
      "public",
      "testing",
      "internal/columns",
      "cli/generate",
      "cli/terminal",
      "cli/input",
      "cli/records",
      "cli/typed",
      "cli/ingest",
      "cli/doctor",
      "cli/local",
      "cli/spool",
      "local/store/salvage",
      "local/delta",
      "local/upkeep/rewriteVariants",
      "local/parquet"
    ],
    packages: [
      "effect/*",
      "@effect/platform-node/*",
      "@duckdb/node-api",
      "node:fs",
      "node:url",
      "node:module",
      ...files
    ]
  },
  {
    name: "cli/generate",
    imports: ["internal/columns", "internal/protobuf"],
    packages: ["effect/*", "protobufjs"]
  },
  {
    name: "cli/local",
    imports: ["internal/columns", "testing", "cli/terminal"],
    packages: ["effect/*", "node:fs/promises", "node:perf_hooks", "node:v8"]
  },
  {
    name: "cli/terminal",
    imports: [],
    packages: ["effect/*"]
  },
  {
    name: "cli/input",
    imports: [],
    packages: ["effect/*", "node:stream", "node:fs", "node:buffer", ...files]
  },
  {
    name: "cli/ingest",
    imports: [
      "faces",
      "public",
      "internal/columns",
      "internal/log/plainFile",
      "internal/recordCodec",
      "cli/terminal",
      "cli/input",
      "cli/records",
      "cli/typed"
    ],
    packages: ["effect/*", ...files]
  },
  {
    name: "cli/spool",
    imports: [
      "avro",
      "faces",
      "public",
      "internal/avro",
      "internal/log/folderLock",
      "internal/protobuf",
      "internal/spool",
      "cli/terminal"
    ],
    packages: ["effect/*", ...files]
  },
  {
    name: "cli/doctor",
    imports: ["faces", "workspace", "public", "internal/net", "cli/terminal"],
    packages: ["effect/*", "node:dns/promises", ...network]
  },
  {
    name: "cli/typed",
    imports: [
      "internal/arrow",
      "internal/avro",
      "internal/columns",
      "local/parquet/codecs",
      "local/parquet/parquetLibrary",
      "local/parquet/variant",
      "cli/input",
      "cli/records"
    ],
    packages: ["effect/*", "apache-arrow", "node:zlib", "node:buffer", ...files]
  },
  {
    name: "cli/records",
    imports: ["internal/columns", "internal/recordCodec"],
    packages: ["effect/*", "node:stream", "node:buffer", ...files]
  }
]

/** Packages that only a few files may import. The rest of their room imports those files. */
export const onlyIn: Readonly<Record<string, ReadonlyArray<string>>> = {
  // The bundled page: built on demand when the sources run, see `imports` in package.json.
  "#console-page": ["testing/serverConsole"],
  "hyparquet": ["local/parquet/parquetLibrary"],
  "hyparquet-writer": ["local/parquet/parquetLibrary"],
  "protobufjs": ["cli/generate/protoSource"],
  "@duckdb/node-api": ["cli/deltaQuery", "cli/queryJson", "cli/readingStatement"],
  // For Node's compile cache. It could also load modules that no import names.
  "node:module": ["cli/main"]
}

const folderOf = (file: string): string => file.slice(0, Math.max(0, file.lastIndexOf("/")))

/** The room of a file, by its path below `src` without extension. */
export const roomOf = (file: string): Room | undefined =>
  rooms.find((room) =>
    room.files === undefined ? folderOf(file) === room.name : room.files.includes(file)
  )

/** Whether a file of the room may import another file of the project. */
export const mayImport = (room: Room, file: string): boolean => {
  const other = roomOf(file)
  return (
    other !== undefined &&
    (other === room ||
      other.name === "models" ||
      room.imports.includes(other.name) ||
      room.imports.includes(file))
  )
}
