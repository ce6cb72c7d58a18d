/**
 * A scripted server for many tables that counts the open streams.
 */
import { assert } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { HeadersProvider } from "../../src/HeadersProvider.ts"
import * as StreamPool from "../../src/StreamPool.ts"
import * as TableProperties from "../../src/TableProperties.ts"
import * as MemoryTransport from "../../src/testing/MemoryTransport.ts"
import { Zerobus } from "../../src/Zerobus.ts"
import type { InvalidArgument } from "../../src/ZerobusError.ts"
import { Connection, type Script } from "./scriptedServer.ts"

/** The behaviour of a table on its n-th connection, from 0. */
export type TableScripts = (tableName: string, nth: number) => Script

export class TablesServer {
  readonly connections: Array<{ readonly tableName: string; readonly connection: Connection }> = []
  /** Open streams, and their maximum so far. */
  open = 0
  mostOpen = 0
  private readonly scripts: TableScripts

  constructor(scripts: TableScripts) {
    this.scripts = scripts
  }

  readonly serve: MemoryTransport.MemoryServer = (headers, peer) => {
    const tableName = headers["x-databricks-zerobus-table-name"] ?? ""
    let over = false
    const end = (): void => {
      if (!over) this.open--
      over = true
    }
    const counted: MemoryTransport.MemoryPeer = {
      ...peer,
      finish: (status) => {
        end()
        peer.finish(status)
      },
      cut: (message) => {
        end()
        peer.cut(message)
      }
    }
    this.mostOpen = Math.max(this.mostOpen, ++this.open)
    const script = this.scripts(tableName, this.of(tableName).length)
    const connection = new Connection(this.connections.length, headers, counted, script)
    this.connections.push({ tableName, connection })
    return {
      receive: (bytes) => connection.receive(bytes),
      halfClosed: () => connection.halfClosed(),
      cancelled: () => {
        end()
        connection.cancelled()
      }
    }
  }

  /** The connections of a table. */
  of(tableName: string): ReadonlyArray<Connection> {
    return this.connections
      .filter((one) => one.tableName === tableName)
      .map(({ connection }) => connection)
  }

  /** The received records of a table, in order. */
  recordsOf(tableName: string): ReadonlyArray<string> {
    return this.of(tableName).flatMap(({ records }) => records)
  }

  /** The tables in the order of their connections. */
  get order(): ReadonlyArray<string> {
    return this.connections.map(({ tableName }) => tableName.slice(tableName.lastIndexOf(".") + 1))
  }
}

/** A JSON table by its last name. */
export const tableOf = (
  name: string
): TableProperties.TableProperties<TableProperties.JsonRecord> =>
  TableProperties.json(`main.default.${name}`)

/** A client on such a server. Its violations of the protocol fail the test when it ends. */
export const clientOf = (
  scripts: TableScripts
): Effect.Effect<
  { readonly server: TablesServer; readonly context: Context.Context<Zerobus> },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const server = new TablesServer(scripts)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        const violations = server.connections.flatMap(({ connection }) => connection.violations)
        assert.deepStrictEqual(violations, [])
      })
    )
    const provider = HeadersProvider.make({
      getHeaders: () => Effect.succeed({ authorization: "Bearer token" })
    })
    const context = yield* Layer.build(
      Zerobus.layerNoDeps.pipe(
        Layer.provide([
          MemoryTransport.layer(server.serve),
          Layer.succeed(HeadersProvider, provider)
        ])
      )
    )
    return { server, context }
  })

/** A pool on such a server, which behaves correctly by default. */
export const poolOf = (
  options: Partial<StreamPool.StreamPoolOptions> = {},
  scripts: TableScripts = () => ({})
): Effect.Effect<
  { readonly server: TablesServer; readonly pool: StreamPool.StreamPool },
  InvalidArgument,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const { context, server } = yield* clientOf(scripts)
    const pool = yield* StreamPool.make({
      maxOpen: 2,
      idleTimeToLive: "1 minute",
      ...options
    }).pipe(Effect.provideContext(context))
    return { server, pool }
  })
