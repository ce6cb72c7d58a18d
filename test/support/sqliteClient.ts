/**
 * An Effect SQL client over Node's built-in SQLite, for the cluster's storage on one machine: the
 * driver package has no release for this version of Effect yet.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { DatabaseSync, type SQLInputValue } from "node:sqlite"

/** Runs one statement. Rows are objects or arrays. */
const runOn = (
  database: DatabaseSync,
  sql: string,
  params: ReadonlyArray<unknown>,
  arrays = false
) =>
  Effect.flatMap(SqlClient.SafeIntegers, (bigints) =>
    Effect.try({
      try: (): ReadonlyArray<any> => {
        const statement = database.prepare(sql)
        statement.setReadBigInts(bigints)
        statement.setReturnArrays(arrays)
        return statement.all(...(params as ReadonlyArray<SQLInputValue>))
      },
      catch: (cause) =>
        new SqlError({ reason: classifySqliteError(cause, { message: sql, operation: "execute" }) })
    })
  )

const connectionTo = (database: DatabaseSync): Connection => {
  const execute: Connection["execute"] = (sql, params, transform) =>
    Effect.map(runOn(database, sql, params), (rows) =>
      transform === undefined ? rows : transform(rows)
    )
  const executeValues: Connection["executeValues"] = (sql, params) =>
    runOn(database, sql, params, true)
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, params) => runOn(database, sql, params),
    executeValues,
    executeValuesUnprepared: executeValues,
    executeStream: () => Stream.die("not needed here")
  }
}

/** A client of the database in a file. */
export const sqliteLayer = (path: string): Layer.Layer<SqlClient.SqlClient> =>
  Layer.effect(
    SqlClient.SqlClient,
    Effect.gen(function* () {
      const database = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(path)),
        (opened) => Effect.sync(() => opened.close())
      )
      const connection = connectionTo(database)
      // A transaction occupies the only connection.
      const turns = Semaphore.makeUnsafe(1)
      return yield* SqlClient.make({
        acquirer: turns.withPermits(1)(Effect.succeed(connection)),
        transactionAcquirer: Effect.gen(function* () {
          yield* Effect.acquireRelease(turns.take(1), () => turns.release(1))
          return connection
        }) as Effect.Effect<Connection, never, Scope.Scope>,
        compiler: Statement.makeCompilerSqlite(),
        driver: "sqlite-node",
        spanAttributes: []
      })
    })
  ).pipe(Layer.provide(Reactivity.layer))
