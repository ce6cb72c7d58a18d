/**
 * Who may import what, as data, and one test that reads the import lines of `src` and `examples`.
 *
 * The first area whose `files` match a file decides. A target is the specifier for packages (`effect/Queue`, `node:fs`), and the path
 * below `src` without its ending for the project's own files (`internal/session`).
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"

interface Area {
  readonly name: string
  readonly files: RegExp
  readonly may: ReadonlyArray<RegExp>
}

const root = Path.resolve(import.meta.dirname, "..")
const source = Path.join(root, "src")

/** Modules of Effect that may change in a minor release: each has its few users, named by the areas below. */
const unstable = "http|http-api|cli|observability|process|socket|persistence|rpc|sql|workers|cluster|encoding|testing"
const effect = new RegExp(`^effect/(?!(?:${unstable})(?:/|$)|FileSystem$|Path$|Terminal$)[A-Z]\\w*$`)
/** Effect without what runs, waits or reads the environment: enough for models, codecs and schemas. */
const pureEffect =
  /^effect\/(?:Array|BigDecimal|BigInt|Brand|Cause|Chunk|Context|Data|DateTime|Duration|Effect|Equal|Exit|Function|Hash|HashMap|Match|Number|Option|Order|Pipeable|Predicate|Record|Redacted|Result|Schema|SchemaAST|SchemaGetter|SchemaIssue|SchemaParser|SchemaTransformation|String|Struct|Types)$/
const models = /^(?:StreamState|Offset|ZerobusError|RecoveryPolicy|ZerobusMetrics)$/
/** The faces of the client: what they name is types, services and options, not mechanics. */
const faces =
  /^(?:Transport|HeadersProvider|TableProperties|RecordAck|ZerobusStream|StreamConfigurationOptions|ZerobusOptions)$/
const publicModules = /^[A-Z]\w*$/
const buffers = /^internal\/(?:landingZone|turns|acknowledgements)$/
const engine = /^internal\/(?:session\w*|supervisor|telemetry|stream\w*|zerobus\w*)$/
const grpc = /^internal\/grpc\w*$/
const http = /^internal\/(?:http\w*|tokenCache|oauth\w*|catalog\w*)$/
/** How a connection is made: proxies, TLS, sockets. Below gRPC and the HTTP calls alike. */
const connections = /^internal\/(?:connector|proxy|route|tls\w*|tunnel\w*)$/
/** Pure mechanics: envelope, descriptors, column types, codecs, status table. Everything in `internal` that is nothing of the above. */
const others = [buffers, engine, grpc, http, connections].map(
  ({ source }) => `(?!${source.slice("^internal\\/".length)})`
)
const mechanics = new RegExp(`^internal/${others.join("")}[\\w/]+$`)
const network = /^node:(?:https?|net|tls|dns|http2|crypto)$/
const node = /^node:/

const areas: ReadonlyArray<Area> = [
  { name: "barrel", files: /^index$/, may: [publicModules] },
  { name: "models", files: models, may: [pureEffect, models, /^effect\/Metric$/] },
  { name: "faces", files: faces, may: [effect, models, faces, mechanics] },
  {
    name: "landing zone, turns and acknowledgements",
    files: buffers,
    may: [effect, models, faces, mechanics, buffers]
  },
  { name: "engine", files: engine, may: [effect, models, faces, mechanics, buffers, engine, /^internal\/grpcStatus$/] },
  { name: "connections", files: connections, may: [effect, models, faces, network, mechanics, connections] },
  {
    name: "gRPC",
    files: /^(?:GrpcTransport|internal\/grpc\w*)$/,
    may: [/^@grpc\/grpc-js$/, effect, models, faces, network, mechanics, connections, grpc]
  },
  {
    name: "HTTP clients",
    files: new RegExp(`^(?:Credentials|UnityCatalog)$|${http.source}`),
    may: [effect, models, faces, network, mechanics, connections, http, /^(?:Credentials|Column|Table)$/]
  },
  { name: "mechanics", files: mechanics, may: [pureEffect, models, mechanics, /^protobufjs(?:\/|$)/] },
  {
    name: "local server",
    files: /^local\//,
    may: [/^effect\//, node, publicModules, mechanics, /^local\//, /^@grpc\/grpc-js$/, /^hyparquet(?:-writer)?(?:\/|$)/]
  },
  {
    name: "testing",
    files: /^testing\//,
    may: [
      /^effect\//,
      node,
      publicModules,
      mechanics,
      /^(?:testing|local)\//,
      /^@effect\/platform-node(?:\/|$)/,
      /^@grpc\/grpc-js$/
    ]
  },
  {
    name: "command line",
    files: /^cli\//,
    may: [
      /^effect\//,
      node,
      publicModules,
      mechanics,
      /^(?:cli|testing|local)\//,
      /^\.\.\/package\.json$/,
      /^@effect\/platform-node(?:\/|$)/,
      /^@duckdb\/node-api$/
    ]
  },
  { name: "public modules", files: publicModules, may: [effect, publicModules, mechanics, engine] }
]

interface Import {
  readonly target: string
  readonly typeOnly: boolean
}

/** Import lines of a file, comments left out: static, re-exporting, dynamic and those inside types. */
const importsOf = (file: string): ReadonlyArray<Import> => {
  const text = Fs.readFileSync(file, "utf8")
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, "")
    .replace(/^[ \t]*\/\/.*$/gm, "")
  const found: Array<Import> = []
  const add = (specifier: string, typeOnly: boolean) => found.push({ target: targetOf(file, specifier), typeOnly })
  for (const [, kind, specifier] of text.matchAll(/^(?:im|ex)port\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm)) {
    add(specifier!, kind !== undefined)
  }
  for (const [, specifier] of text.matchAll(/\bimport\(\s*"([^"]+)"/g)) add(specifier!, true)
  for (const [, specifier] of text.matchAll(/\bnew URL\(\s*"(\.[^"]+)",\s*import\.meta\.url/g)) add(specifier!, true)
  return found
}

const targetOf = (file: string, specifier: string): string =>
  specifier.startsWith(".")
    ? Path.relative(source, Path.resolve(Path.dirname(file), specifier))
        .replaceAll("\\", "/")
        .replace(/\.[jt]s$/, "")
    : specifier

const filesBelow = (folder: string): ReadonlyArray<string> =>
  Fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.[mc]?[jt]s$/.test(file) && !file.endsWith(".d.ts") && !file.includes("node_modules"))
    .map((file) => Path.join(folder, file))
    .sort()

const nameOf = (file: string) => targetOf(file, `./${Path.basename(file)}`)
const sources = filesBelow(source).map((file) => ({ name: nameOf(file), imports: importsOf(file) }))

/** The first cycle found among the modules, as a path; empty when there is none. */
const cycleIn = (
  modules: ReadonlyArray<{ readonly name: string; readonly imports: ReadonlyArray<Import> }>,
  counts: (edge: Import) => boolean
): ReadonlyArray<string> => {
  const edges = new Map(
    modules.map((module) => [module.name, module.imports.filter(counts).map((edge) => edge.target)])
  )
  const done = new Set<string>()
  const visit = (name: string, path: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (done.has(name)) return undefined
    for (const next of edges.get(name) ?? []) {
      const cycle = edges.has(next) ? visit(next, [...path, name]) : undefined
      if (cycle !== undefined) return cycle
    }
    done.add(name)
    return undefined
  }
  for (const name of edges.keys()) {
    const cycle = visit(name, [])
    if (cycle !== undefined) return cycle
  }
  return []
}

describe("imports", () => {
  it("stay inside the table", () => {
    const offences = sources.flatMap(({ imports, name }) => {
      const area = areas.find((candidate) => candidate.files.test(name))
      return area === undefined
        ? [`${name} belongs to no area`]
        : imports
            .filter(({ target }) => !area.may.some((pattern) => pattern.test(target)))
            .map(({ target }) => `${name} (${area.name}) may not import ${target}`)
    })
    assert.deepStrictEqual(offences, [])
    assert.isAbove(sources.length, 0)
  })

  it("form no cycle", () => {
    assert.deepStrictEqual(
      cycleIn(sources, (edge) => !edge.typeOnly),
      []
    )
    const pure = sources.filter(({ name }) => models.test(name))
    assert.deepStrictEqual(
      cycleIn(pure, () => true),
      [],
      "models, types included"
    )
  })

  it("of examples and golden programs name packages only", () => {
    const allowed =
      /^(?:effect|effect\/.+|effect-zerobus(?:\/testing)?|@effect\/(?:platform-node|vitest)|@duckdb\/node-api|node:.+)$/
    const offences = ["examples", "test/golden"].flatMap((folder) =>
      filesBelow(Path.join(root, folder)).flatMap((file) =>
        importsOf(file)
          .filter(({ target }) => !allowed.test(target))
          .map(({ target }) => `${Path.relative(root, file)} imports ${target}`)
      )
    )
    assert.deepStrictEqual(offences, [])
  })
})

describe("the package", () => {
  const manifest = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))

  it("exports nothing internal", () => {
    assert.deepStrictEqual(Object.keys(manifest.exports), [".", "./testing", "./package.json"])
  })

  it("declares what its sources import", () => {
    const declared = new Set([
      ...Object.keys(manifest.dependencies ?? {}),
      ...Object.keys(manifest.peerDependencies ?? {}),
      // Loaded only by `zerobus query`, which says how to install it when it is missing.
      "@duckdb/node-api"
    ])
    const packageOf = (target: string) =>
      target
        .split("/")
        .slice(0, target.startsWith("@") ? 2 : 1)
        .join("/")
    const missing = sources.flatMap(({ imports, name }) =>
      imports
        .filter(
          ({ target }) =>
            !/^(?:node:|\.\.\/package\.json$)/.test(target) && !sources.some((file) => file.name === target)
        )
        .filter(({ target }) => !declared.has(packageOf(target)))
        .map(({ target }) => `${name} imports ${target}`)
    )
    assert.deepStrictEqual(missing, [])
  })

  it("is installed from the public registry alone, each part by its hash", () => {
    const lock = JSON.parse(Fs.readFileSync(Path.join(root, "package-lock.json"), "utf8"))
    const odd = Object.entries<{ integrity?: string; resolved?: string }>(lock.packages)
      .filter(([path]) => path !== "")
      .filter(
        ([, { integrity, resolved }]) =>
          integrity?.startsWith("sha512-") !== true ||
          (resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/"))
      )
      .map(([path]) => path)
    assert.deepStrictEqual(odd, [])
    assert.deepStrictEqual(lock.packages[""].dependencies, manifest.dependencies, "package-lock.json is in step")
  })
})
