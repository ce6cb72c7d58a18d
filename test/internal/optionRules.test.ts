/**
 * Every option of the client, the catalog client and a stream, checked through the public calls. An
 * option added without a rule does not compile, and one without samples here fails.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Duration,
  Effect,
  Exit,
  Layer,
  Redacted,
  Result,
  Schedule
} from "effect"
import {
  Credentials,
  GrpcTransport,
  HeadersProvider,
  type KeepaliveOptions,
  Spool,
  UnityCatalog,
  Zerobus,
  zerobusConfig
} from "effect-zerobus"
import * as Fs from "node:fs"
import { makeCertificates } from "../../src/local/endpoints/certificates.ts"
import { count, type OptionRule, type OptionRules } from "../../src/internal/optionRules.ts"
import { resolve, streamRules } from "../../src/StreamConfigurationOptions.ts"
import { catalogRules } from "../../src/UnityCatalog.ts"
import { zerobusRules } from "../../src/ZerobusOptions.ts"
import * as A from "../support/acceptance.ts"

const LONGEST = 2 ** 31 - 1
const CANARY = "canary-4711"

/** Values of every kind. The samples of an option state which of them it accepts. */
const anything: ReadonlyArray<unknown> = [
  null,
  true,
  false,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  0,
  0.5,
  1,
  5n,
  "",
  CANARY,
  "15000",
  "15 seconds",
  Symbol("s"),
  {},
  { [CANARY]: 1 },
  { seconds: Number.NaN },
  [],
  [1],
  [Number.NaN, 1],
  [CANARY],
  new Date(5),
  new Map([["maxBytes", 1]]),
  () => Effect.void,
  class {},
  Promise.resolve(1),
  Effect.void,
  Redacted.make(CANARY),
  Redacted.make(5),
  Schedule.recurs(1),
  Duration.infinity
]

interface Samples {
  /** Which values the option accepts, stated independently of the rules. */
  readonly takes: (value: unknown) => boolean
  /** Values at its bounds. */
  readonly good: ReadonlyArray<unknown>
  /** Values just outside of them. */
  readonly bad: ReadonlyArray<unknown>
}

const counts = (min = 1, max = Number.MAX_SAFE_INTEGER): Samples => ({
  takes: (value) => value === 1 || (value === 0 && min === 0),
  good: [min, min + 1, max - 1, max],
  bad: [min - 1, max + 1, min + 0.5, String(min)]
})
const durations = (least: number, most = LONGEST): Samples => {
  const fitting: ReadonlyArray<unknown> = [
    1,
    "15 seconds",
    ...(least < 1 ? [0.5, 5n] : []),
    ...(least === 0 ? [0] : [])
  ]
  const endless = [Number.POSITIVE_INFINITY, Duration.infinity]
  return {
    // [1] and [NaN, 1] are not pairs of seconds and nanoseconds.
    takes: (value) =>
      fitting.includes(value) || (most === Infinity && endless.includes(value as number)),
    good: [
      least,
      1,
      "1 millis",
      [1, 5],
      { seconds: 1, milliseconds: 5 },
      Duration.seconds(3),
      ...(most === LONGEST ? [most] : [])
    ],
    bad: [
      "soon",
      "-1 seconds",
      Duration.negativeInfinity,
      { second: 1 },
      ...(most === LONGEST ? [most + 1, "25 days"] : [])
    ]
  }
}
const flags: Samples = {
  takes: (value) => typeof value === "boolean",
  good: [true, false],
  bad: ["true", "false", 0]
}
const secrets: Samples = {
  takes: (value) => Redacted.isRedacted(value) && typeof Redacted.value(value) === "string",
  good: [Redacted.make("s")],
  bad: ["s", { value: "s" }]
}
const objects: Samples = { takes: isEmptyObject, good: [{}], bad: ["on", "{}", [[]]] }
function isEmptyObject(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.keys(value).length === 0
  )
}
const offs: Samples = { ...objects, good: [{}, "off"], bad: ["on", "OFF", true] }
const only = (
  takes: Samples["takes"],
  good: ReadonlyArray<unknown>,
  bad: ReadonlyArray<unknown>
): Samples => ({
  bad,
  good,
  takes
})
const isText = (value: unknown) => typeof value === "string"

const spool = Spool.directory("spool/air_quality")
const provider = HeadersProvider.make({ getHeaders: Effect.succeed({}), invalidate: Effect.void })
const streamSamples: Readonly<Record<string, Samples>> = {
  "maxInflightRecords": counts(),
  "maxInflightBytes": counts(),
  "maxPayloadBytes": counts(),
  "maxBatchRecords": counts(),
  "batching": offs,
  "batching.maxBytes": counts(1, 262_144),
  "batching.maxRecords": counts(),
  "recovery": flags,
  "recoveryTimeout": durations(0.001),
  "recoveryBackoff": durations(0),
  "recoveryRetries": counts(0),
  "recoverySchedule": only(Schedule.isSchedule, [Schedule.forever], ["1 second"]),
  "serverLackOfAckTimeout": durations(0.001),
  "ingestTimeout": durations(0.001),
  "flushTimeout": durations(0.001),
  "streamPausedMaxWaitTime": durations(0),
  "drainTimeout": durations(0),
  "scopeCloseTimeout": durations(0),
  "headersProvider": only(
    () => false,
    [
      provider,
      { getHeaders: () => Effect.succeed({}) },
      new (class {
        getHeaders() {
          return Effect.succeed({})
        }
      })()
    ],
    [
      { getHeaders: Effect.succeed({}) },
      { getHeaders: () => Effect.succeed({}), invalidate: 5 },
      { authorization: CANARY }
    ]
  ),
  // A Schedule is not an Effect.
  "beforeOpen": only((value) => value === Effect.void, [Effect.fail("no")], [() => Effect.void]),
  "onUnacked": only((value) => typeof value === "function", [() => Effect.void], [Effect.void]),
  "onRefused": only((value) => typeof value === "function", [() => Effect.void], [Effect.void]),
  "maxRefusals": counts(),
  "spool": only(() => false, [spool], ["spool/air_quality", { path: "spool/air_quality" }]),
  "spool.path": only((value) => isText(value) && value !== "", ["spool"], [""]),
  // Room for some of the largest records.
  "spool.maxBytes": { ...counts(16 * 1024 * 1024), takes: () => false },
  "spool.sync": only(() => false, ["group", "os"], ["none", "Group"]),
  "spool.open": only((value) => typeof value === "function", [spool.open], ["open"]),
  "spool.left": only((value) => typeof value === "function", [spool.left], ["left"]),
  "onSchemaChange": only(() => false, ["fail", "reopen"], ["Reopen", "ignore"]),
  "lanes": {
    ...counts(1, 64),
    takes: (value) => value === "auto" || counts(1, 64).takes(value),
    good: ["auto", ...counts(1, 64).good],
    bad: ["Auto", ...counts(1, 64).bad]
  },
  "laneKey": only((value) => typeof value === "function", [() => "key"], ["device"])
}

// The content of a text is checked where it is used; here only its kind is.
const texts = (good: string): Samples => only(isText, [good], [5, Redacted.make(good)])
const pem = makeCertificates(["localhost"], Date.now()).ca
const tlsSamples: Readonly<Record<string, Samples>> = {
  "tls": {
    ...objects,
    takes: (value) => isEmptyObject(value) || value === Effect.void,
    good: [{}, Effect.fail("no")]
  },
  "tls.ca": only(
    (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
    [pem, [pem], []],
    [[pem, 5]]
  ),
  "tls.cert": texts(pem),
  "tls.key": secrets,
  "tls.serverName": only(
    (value) => value === CANARY || value === "15000",
    ["zerobus.test", "10.0.0.1", "a"],
    ["", "a b", "a/b", "-a"]
  ),
  "tls.minVersion": only(
    () => false,
    ["TLSv1.2", "TLSv1.3"],
    ["TLSv1", "TLSv1.1", "1.3", "tlsv1.2"]
  )
}
const proxies: Samples = {
  ...secrets,
  takes: (value) => value === false || secrets.takes(value),
  good: [false, Redacted.make("http://p:1")]
}
const clientIds = only(
  (value) => isText(value) && value !== "",
  ["c", "a-b c"],
  ["", " ", "a:b", 5]
)
const credentialsSamples: Readonly<Record<string, Samples>> = {
  "credentials": only(
    () => false,
    [
      { subjectTokenFile: "token" },
      Credentials.federated({ subjectToken: Effect.succeed(Redacted.make("jwt")) })
    ],
    [{}, { subjectTokenFile: "token", subjectToken: Effect.void }, "token"]
  ),
  "credentials.subjectToken": only(
    (value) => value === Effect.void,
    [Effect.fail("no")],
    [() => Effect.void, "token"]
  ),
  "credentials.subjectTokenFile": only((value) => isText(value) && value !== "", ["token"], [""]),
  "credentials.clientId": clientIds
}
const zerobusSamples: Readonly<Record<string, Samples>> = {
  ...tlsSamples,
  "serverEndpoint": texts("https://1.zerobus.example.com"),
  "workspaceUrl": texts("https://w.example.com"),
  "clientId": clientIds,
  "clientSecret": secrets,
  ...credentialsSamples,
  "applicationName": only(isText, ["", "my app/1.0", "~"], ["a\nb", "\u00e9", "a\u007f"]),
  "connectionPerStream": flags,
  "proxy": proxies,
  "tokenCache": objects,
  "tokenCache.enabled": flags,
  "tokenCache.refreshBuffer": durations(0),
  "keepalive": offs,
  "keepalive.interval": durations(1),
  "keepalive.timeout": durations(1),
  "keepalive.idleInterval": durations(1),
  "stream": objects,
  ...Object.fromEntries(
    Object.entries(streamSamples).map(([name, samples]) => [`stream.${name}`, samples])
  )
}
const catalogSamples: Readonly<Record<string, Samples>> = {
  ...tlsSamples,
  "workspaceUrl": texts("https://w.example.com"),
  "clientId": clientIds,
  "clientSecret": secrets,
  ...credentialsSamples,
  "proxy": proxies,
  // Its time to live is mandatory.
  "cache": only(() => false, [{ timeToLive: 1 }], [{}, { timeToLive: undefined }]),
  "cache.timeToLive": durations(0.001, Infinity),
  "cache.capacity": counts()
}

/** The paths of all options of a table of rules. */
const pathsOf = (rules: OptionRules, within = ""): ReadonlyArray<string> =>
  Object.entries<OptionRule>(rules).flatMap(([name, rule]) => [
    within + name,
    ...(rule.fields === undefined ? [] : pathsOf(rule.fields, `${within + name}.`))
  ])

/**
 * Options of a spool, which `Spool.directory` sets all together, and of credentials, which need one
 * of two.
 */
const parts = [
  "spool.path",
  "spool.open",
  "spool.left",
  "credentials.subjectToken",
  "credentials.subjectTokenFile"
]

/** The options with one of them set. */
const set = (options: object, path: string, value: unknown): object => {
  const [outer = "", ...inner] = path.split(".")
  const known = (options as Readonly<Record<string, unknown>>)[outer]
  return {
    ...options,
    [outer]: inner.length === 0 ? value : set((known as object) ?? {}, inner.join("."), value)
  }
}

/**
 * The options with one of them set. An option of a spool or of credentials is set in a complete
 * one.
 */
const withOption = (options: object, path: string, value: unknown): object => {
  const whole = /^(.*\bspool)\./.exec(path)?.[1]
  if (whole !== undefined) return set(set(options, whole, spool), path, value)
  const ofCredentials = path.startsWith("credentials.") && path !== "credentials.subjectToken"
  return set(
    ofCredentials ? set(options, "credentials", { subjectTokenFile: "token" }) : options,
    path,
    value
  )
}

interface Surface {
  readonly name: string
  readonly rules: OptionRules
  readonly samples: Readonly<Record<string, Samples>>
  /** The file of the public type, and its name. */
  readonly type: readonly [file: string, name: string]
  readonly least: object
  /** Builds the object that takes the options, and returns the exit. */
  readonly build: (options: any) => Effect.Effect<Exit.Exit<unknown, unknown>>
}

const built = <R>(layer: Layer.Layer<R, unknown>) => Effect.exit(Effect.scoped(Layer.build(layer)))
const client = { serverEndpoint: "http://127.0.0.1:1", proxy: false }
const surfaces: ReadonlyArray<Surface> = [
  {
    name: "a stream",
    rules: streamRules as OptionRules,
    samples: streamSamples,
    type: ["StreamConfigurationOptions.ts", "StreamConfigurationOptions"],
    least: {},
    build: (options) => Effect.exit(Effect.fromResult(resolve(options)))
  },
  {
    name: "the client",
    rules: zerobusRules as OptionRules,
    samples: zerobusSamples,
    type: ["ZerobusOptions.ts", "ZerobusOptions"],
    least: client,
    build: (options) => built(Zerobus.layer(options))
  },
  {
    name: "the transport",
    rules: zerobusRules as OptionRules,
    samples: zerobusSamples,
    type: ["ZerobusOptions.ts", "ZerobusOptions"],
    least: client,
    build: (options) => built(GrpcTransport.layer(options))
  },
  {
    name: "the credentials",
    rules: zerobusRules as OptionRules,
    samples: zerobusSamples,
    type: ["ZerobusOptions.ts", "ZerobusOptions"],
    least: { ...client, workspaceUrl: "http://127.0.0.1:2" },
    build: (options) => built(Credentials.layer(options))
  },
  {
    name: "the catalog client",
    rules: catalogRules as OptionRules,
    samples: catalogSamples,
    type: ["UnityCatalog.ts", "UnityCatalogOptions"],
    least: {
      workspaceUrl: "http://127.0.0.1:2",
      proxy: false,
      cache: { timeToLive: 1 }
    },
    build: (options) => built(UnityCatalog.layer(options))
  }
]

/** The refused path, or "taken". Nothing of the value may be repeated. */
const outcome = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "taken"
  const error = A.failureOf(
    exit as Exit.Exit<unknown, { readonly _tag: string; readonly message: string }>
  )
  assert.notInclude(JSON.stringify(error) + error.message, CANARY)
  return error._tag === "InvalidArgument" ? (error as any).path.join(".") : error._tag
}

describe("the options of", () => {
  for (const { build, least, name, rules, samples, type } of surfaces) {
    it(`${name} all have a rule, and samples here`, () => {
      const [file, typeName] = type
      const source = Fs.readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")
      const declaration = new RegExp(`export interface ${typeName}\\b[^]*?\\n}`).exec(source)![0]
      const picked = /extends Pick<\s*[\w<>]+,([^>]*)>/.exec(declaration)?.[1]?.match(/\w+/g) ?? []
      const declared = [...declaration.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(
        ([, option]) => option!
      )
      assert.sameMembers(Object.keys(rules), [...picked, ...declared])
      assert.sameMembers([...pathsOf(rules)], Object.keys(samples))
    })

    it.effect(
      `${name} are refused with their path when they are of the wrong kind or out of range`,
      () =>
        Effect.gen(function* () {
          for (const [path, { bad, takes }] of Object.entries(samples)) {
            const wrong = [...anything.filter((value) => !takes(value)), ...bad]
            assert.isAbove(wrong.length, 10)
            for (const value of wrong) {
              const said = outcome(yield* build(withOption(least, path, value)))
              // An object in place of another one is refused because of an option that it contains
              // or lacks.
              const inner =
                typeof value === "object" && value !== null && said.startsWith(`${path}.`)
              if (!inner)
                assert.strictEqual(
                  said,
                  path,
                  String(typeof value === "object" ? JSON.stringify(value) : value?.toString())
                )
            }
          }
        })
    )

    it.effect(`${name} are taken at their bounds, and undefined is not given`, () =>
      Effect.gen(function* () {
        const pair = ["tls.cert", "tls.key"]
        for (const [path, { good }] of Object.entries(samples)) {
          for (const value of good) {
            const said = outcome(yield* build(withOption(least, path, value)))
            assert.strictEqual(
              said,
              pair.includes(path) ? "tls" : "taken",
              `${path}: ${String(value)}`
            )
          }
          if (path in least || path === "cache.timeToLive") continue
          if (parts.some((part) => path.endsWith(part))) continue
          assert.strictEqual(
            outcome(yield* build(withOption(least, path, undefined))),
            "taken",
            path
          )
        }
      })
    )

    it.effect(`${name} are an object without other names`, () =>
      Effect.gen(function* () {
        for (const wrong of [
          null,
          5,
          "x",
          [],
          [least],
          () => least,
          new Map(Object.entries(least))
        ]) {
          assert.strictEqual(outcome(yield* build(wrong)), "")
        }
        const inside = [
          "",
          ...Object.keys(samples).filter((path) =>
            Object.keys(samples).some((other) => other.startsWith(`${path}.`))
          )
        ]
        for (const path of inside) {
          const typo = path === "" ? "maxInflightRecrods" : `${path}.maxInflightRecrods`
          const exit = yield* build(withOption(least, typo, 5))
          assert.strictEqual(outcome(exit), typo)
          const { message } = A.failureOf(exit as Exit.Exit<unknown, { readonly message: string }>)
          for (const option of Object.keys(samples)) {
            if (
              option.startsWith(path === "" ? "" : `${path}.`) &&
              !option.slice(path.length + 1).includes(".")
            ) {
              assert.include(message, option.slice(option.lastIndexOf(".") + 1))
            }
          }
          assert.strictEqual(outcome(yield* build(withOption(least, typo, undefined))), "taken")
          outcome(
            yield* build(
              withOption(least, path === "" ? `no name ${CANARY}` : `${path}.no name ${CANARY}`, 5)
            )
          )
        }
      })
    )
  }

  it("a client that has a setting without a rule do not compile", () => {
    // @ts-expect-error `timeout` has no rule
    const incomplete: OptionRules<KeepaliveOptions> = { interval: count() }
    const excess: OptionRules<KeepaliveOptions> = {
      interval: count(),
      timeout: count(),
      // @ts-expect-error there is no such option
      jitter: count()
    }
    assert.isDefined([incomplete, excess])
  })

  it.effect("a stream are checked whole by each call that takes them", () =>
    Effect.gen(function* () {
      const { server, zerobus } = yield* A.client()
      const bad = [{ maxInflightRecrods: 5 }, { recovery: "false" }, null] as ReadonlyArray<any>
      for (const options of bad) {
        A.tagged(yield* Effect.flip(zerobus.createStream(A.table, options)), "InvalidArgument")
        A.tagged(
          yield* Effect.flip(zerobus.withStream(A.table, options, () => Effect.void)),
          "InvalidArgument"
        )
      }
      assert.strictEqual(server.connections.length, 0)
    })
  )
})

describe("tls", () => {
  const key = Redacted.make(`-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----`)
  it.effect("is refused for what its text holds, with a plain endpoint too", () =>
    Effect.gen(function* () {
      for (const serverEndpoint of ["http://127.0.0.1:1", "https://1.zerobus.example.com"]) {
        for (const [tls, path] of [
          [{ ca: CANARY }, "tls.ca"],
          [{ ca: "" }, "tls.ca"],
          [{ ca: [pem, CANARY] }, "tls.ca"],
          [{ cert: pem }, "tls"],
          [{ key }, "tls"],
          [{ cert: CANARY, key }, "tls.cert"],
          [{ cert: pem, key }, "tls.key"]
        ] as const) {
          assert.strictEqual(
            outcome(yield* built(GrpcTransport.layer({ serverEndpoint, proxy: false, tls }))),
            path
          )
        }
      }
    })
  )
})

describe("variables", () => {
  const read = (env: Record<string, string>) =>
    Effect.provideService(
      zerobusConfig,
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({
        env: { ZEROBUS_SERVER_ENDPOINT: "https://1.zerobus.example.com", ...env }
      })
    )
  const variables = {
    maxInflightRecords: ["MAX_INFLIGHT_RECORDS", "count"],
    maxInflightBytes: ["MAX_INFLIGHT_BYTES", "count"],
    recoveryRetries: ["RECOVERY_RETRIES", "count"],
    recoveryTimeout: ["RECOVERY_TIMEOUT", "duration"],
    recoveryBackoff: ["RECOVERY_BACKOFF", "duration"],
    flushTimeout: ["FLUSH_TIMEOUT", "duration"],
    serverLackOfAckTimeout: ["SERVER_LACK_OF_ACK_TIMEOUT", "duration"],
    recovery: ["RECOVERY", "flag"]
  } as const

  it.effect("are held to the rules of their options, and named", () =>
    Effect.gen(function* () {
      assert.sameMembers(Object.keys((yield* read({})).stream!), Object.keys(variables))
      const good = {
        count: [
          ["5", 5],
          [" 7 ", 7],
          ["1e3", 1000],
          [String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER]
        ],
        duration: [
          ["15000", 15_000],
          ["15 seconds", 15_000],
          [" 2 seconds ", 2000],
          ["0.5", 0.5],
          [String(LONGEST), LONGEST]
        ],
        flag: [
          ["true", true],
          ["false", false],
          ["0", false],
          ["yes", true],
          ["TRUE", true],
          [" Off ", false]
        ]
      } as const
      const bad = {
        count: ["many", "-1", "1.5", "9007199254740992", "Infinity", "NaN", "0x10", "5 records"],
        duration: [
          "soon",
          "-5",
          "-1 seconds",
          "Infinity",
          "NaN",
          String(LONGEST + 1),
          "25 days",
          "15s"
        ],
        flag: ["maybe", "2"]
      } as const
      for (const [option, [name, kind]] of Object.entries(variables)) {
        for (const [text, value] of good[kind]) {
          const { stream } = yield* read({ [`ZEROBUS_${name}`]: text })
          const resolved: Readonly<Record<string, unknown>> = {
            ...Result.getOrThrow(resolve(stream))
          }
          assert.strictEqual(resolved[option], value, `${name}=${text}`)
        }
        for (const text of bad[kind]) {
          const exit = yield* Effect.exit(read({ [`ZEROBUS_${name}`]: text }))
          assert.isTrue(Exit.isFailure(exit), `${name}=${text}`)
          assert.include(
            String(A.failureOf(exit as Exit.Exit<unknown, object>)),
            `["ZEROBUS_${name}"]`
          )
        }
      }
    })
  )

  it.effect("name what is not set, and what a value may look like", () =>
    Effect.gen(function* () {
      const none = Effect.provideService(
        zerobusConfig,
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: {} })
      )
      const { message } = yield* Effect.flip(none)
      assert.match(message, /ZEROBUS_SERVER_ENDPOINT is not set\. Set it to .*`zerobus local`/)
      assert.include(
        (yield* Effect.flip(read({ ZEROBUS_FLUSH_TIMEOUT: "soon" }))).message,
        'such as "15 seconds"'
      )
      assert.include(
        (yield* Effect.flip(read({ ZEROBUS_RECOVERY: "maybe" }))).message,
        "Expected true or false"
      )
      // A missing value still counts as missing: a program may have another configuration as
      // fallback.
      assert.isUndefined(
        yield* Effect.provideService(
          Config.withDefault(zerobusConfig, undefined),
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: {} })
        )
      )
    })
  )
})
