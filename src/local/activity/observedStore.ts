/**
 * Reports tables that are created, changed, registered and dropped, through any endpoint of the
 * server.
 */
import * as Effect from "effect/Effect"
import type { TableStoreShape } from "../store/tableStore.ts"
import type { ServerEvent, Tell } from "./serverEvent.ts"

/** The store, with its changes reported. */
export const observedStore = (store: TableStoreShape, tell: Tell): TableStoreShape => {
  const told = (_tag: Extract<ServerEvent["_tag"], `Table${string}ed`>, tableName: string) =>
    Effect.sync(() => tell({ _tag, tableName } as ServerEvent))
  return {
    ...store,
    create: (definition) =>
      Effect.tap(store.create(definition), () => told("TableCreated", definition.name)),
    addColumns: (name, columns) =>
      Effect.tap(store.addColumns(name, columns), () => told("TableAltered", name)),
    register: (location) =>
      Effect.tap(store.register(location), ({ definition }) =>
        told("TableRegistered", definition.name)
      ),
    drop: (name) =>
      Effect.tap(store.drop(name), (dropped) =>
        dropped ? told("TableDropped", name) : Effect.void
      )
  }
}
