/**
 * The services that a stream's effects need from the program, at compile time. Compiled by `tsc -p
 * test`, never run.
 */
import { Config, Context, Effect, type Layer, Redacted, type Scope, type Sink } from "effect"
import {
  Credentials,
  DeadLetters,
  GrpcTransport,
  HeadersProvider,
  type HeadersProviderShape,
  type StreamConfigurationOptions,
  TableProperties,
  UnityCatalog,
  type UnityCatalogOptions,
  Zerobus,
  type ZerobusOptions,
  type ZerobusShape,
  zerobusConfig
} from "effect-zerobus"

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const exact = <A, B>(equal: Equal<A, B>): boolean => equal
/** The requirements of an effect, a sink or a layer. */
type Needs<T> =
  T extends Effect.Effect<any, any, infer R>
    ? R
    : T extends Sink.Sink<any, any, any, any, infer R>
      ? R
      : T extends Layer.Layer<any, any, infer R>
        ? R
        : "nothing of them"

class Vault extends Context.Service<Vault, { readonly token: Effect.Effect<string> }>()("Vault") {}
class Letters extends Context.Service<
  Letters,
  { readonly keep: (text: string) => Effect.Effect<void, Error> }
>()("Letters") {}

declare const zerobus: ZerobusShape
const table = TableProperties.json("main.default.readings")

const keep = (tableName: string) => Effect.flatMap(Letters, (letters) => letters.keep(tableName))
const vaulted = HeadersProvider.make({
  getHeaders: Effect.flatMap(Vault, (vault) =>
    Effect.map(vault.token, (authorization) => ({ authorization }))
  )
})
exact<typeof vaulted, HeadersProviderShape<Vault>>(true)

// Each effect separately, and none at all.
const unacked = zerobus.createStream(table, { onUnacked: ({ tableName }) => keep(tableName) })
exact<Needs<typeof unacked>, Scope.Scope | Letters>(true)
const refused = zerobus.createStream(table, { onRefused: ({ cause }) => keep(cause.message) })
exact<Needs<typeof refused>, Scope.Scope | Letters>(true)
const before = zerobus.createStream(table, { beforeOpen: Effect.asVoid(Vault) })
exact<Needs<typeof before>, Scope.Scope | Vault>(true)
const headers = zerobus.createStream(table, { headersProvider: vaulted })
exact<Needs<typeof headers>, Scope.Scope | Vault>(true)
const plain = zerobus.createStream(table, { onUnacked: () => Effect.void, recoveryRetries: 1 })
exact<Needs<typeof plain>, Scope.Scope>(true)
exact<Needs<ReturnType<typeof zerobus.createStream>>, unknown>(true)
const bare = zerobus.createStream(table)
exact<Needs<typeof bare>, Scope.Scope>(true)

// Several that need different services.
const both = zerobus.createStream(table, {
  headersProvider: vaulted,
  onUnacked: ({ tableName }) => keep(tableName)
})
exact<Needs<typeof both>, Scope.Scope | Vault | Letters>(true)
const options: StreamConfigurationOptions<TableProperties.JsonRecord, Vault | Letters> = {
  headersProvider: vaulted,
  onRefused: ({ cause }) => keep(cause.message)
}
const written = zerobus.createStream(table, options)
exact<Needs<typeof written>, Scope.Scope | Vault | Letters>(true)

// A stream that is opened and closed needs no scope from its caller.
const around = zerobus.withStream(table, { headersProvider: vaulted }, () => Effect.asVoid(Letters))
exact<Needs<typeof around>, Vault | Letters>(true)
const sink = zerobus.sink(table, { onRefused: ({ cause }) => keep(cause.message) })
exact<Needs<typeof sink>, Letters>(true)
const letters = DeadLetters.table("main.default.letters", { headersProvider: vaulted })
exact<Needs<typeof letters>, Zerobus | Scope.Scope | Vault>(true)

// A recreated stream has the services of the ended one.
exact<Needs<ReturnType<ZerobusShape["recreateStream"]>>, Scope.Scope>(true)

// The defaults of a client need their services where the layer is built, and no stream needs them
// again.
const endpoint = "http://127.0.0.1:1"
const client = Zerobus.layer({ serverEndpoint: endpoint, stream: { headersProvider: vaulted } })
exact<Needs<typeof client>, Vault>(true)
const plainClient = Zerobus.layer({ serverEndpoint: endpoint, stream: { recovery: false } })
exact<Needs<typeof plainClient>, never>(true)
const configured = Zerobus.layerConfig(zerobusConfig)
exact<Needs<typeof configured>, never>(true)
const transport = GrpcTransport.layerConfig(zerobusConfig)
exact<Needs<typeof transport>, never>(true)
const configuredTokens = Credentials.layerConfig(zerobusConfig)
exact<Needs<typeof configuredTokens>, never>(true)
declare const catalogWithVault: Config.Config<UnityCatalogOptions<Vault>>
const configuredCatalog = UnityCatalog.layerConfig(catalogWithVault)
exact<Needs<typeof configuredCatalog>, Vault>(true)
const ownHeaders = HeadersProvider.layer({
  getHeaders: Effect.flatMap(Vault, (vault) =>
    Effect.map(vault.token, (authorization) => ({ authorization }))
  ),
  invalidate: (tableName) => Effect.orDie(keep(tableName))
})
exact<Needs<typeof ownHeaders>, Vault | Letters>(true)
const wrapped = Zerobus.layerConfig({ serverEndpoint: Config.String("ENDPOINT") })
exact<Needs<typeof wrapped>, never>(true)
declare const withVault: Config.Config<ZerobusOptions<Vault>>
const ofConfig = Zerobus.layerConfig(withVault)
exact<Needs<typeof ofConfig>, Vault>(true)

const several = Zerobus.layer<Vault | Letters>({
  serverEndpoint: endpoint,
  stream: { headersProvider: vaulted, onRefused: ({ cause }) => keep(cause.message) }
})
exact<Needs<typeof several>, Vault | Letters>(true)

// The supplier of a subject token needs its services where the layer is built, in addition to those
// of the streams.
const subjectToken = Effect.flatMap(Letters, () => Effect.succeed(Redacted.make("jwt")))
const credentials = Credentials.federated({ subjectToken })
const federated = Zerobus.layer({ serverEndpoint: endpoint, credentials })
exact<Needs<typeof federated>, Letters>(true)
const federatedToo = Zerobus.layer({
  serverEndpoint: endpoint,
  credentials,
  stream: { headersProvider: vaulted }
})
exact<Needs<typeof federatedToo>, Vault | Letters>(true)
const secured = Zerobus.layer({
  serverEndpoint: endpoint,
  credentials,
  tls: Effect.flatMap(Vault, (vault) => Effect.map(vault.token, (ca) => ({ ca })))
})
exact<Needs<typeof secured>, Vault | Letters>(true)
const federatedCatalog = UnityCatalog.layer({ workspaceUrl: endpoint, credentials })
exact<Needs<typeof federatedCatalog>, Letters>(true)

// @ts-expect-error a client's own provider has no services
HeadersProvider.of(vaulted)
// @ts-expect-error no option of this name
zerobus.createStream(table, { onUnack: () => Effect.void })
zerobus.createStream(table, {
  // @ts-expect-error the handler of another kind of record
  onUnacked: ({ records }) => Effect.log(records[0] satisfies Uint8Array)
})
