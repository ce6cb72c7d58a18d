/**
 * Closes streams together that were opened one after another in the same scope.
 *
 * A scope closes its finalizers one after another, the latest first. For a thousand streams that is
 * a thousand waits for a server. When scopes of this package are adjacent in a user's scope, with
 * no user finalizer in between, a program cannot observe whether one or all of them close first. So
 * the first one that closes starts to close its neighbours too, and all wait for each other.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

/** A scope of this package. */
interface Neighbour {
  readonly scope: Scope.Closeable
  /** Whether the scope opened right before this one may close before this one has closed. */
  readonly lets: boolean
  /** True when it closes because another one does. */
  joins: boolean
}

const neighbours = new WeakMap<object, Neighbour>()

/** The latest open state of users' scopes: a closed scope no longer lists its finalizers. */
const openStates = new WeakMap<Scope.Scope, Scope.State.Open>()

/** The finalizers of a closed scope in order, and the place of each. */
const contents = new WeakMap<
  Scope.Scope,
  { readonly keys: ReadonlyArray<object>; readonly places: Map<object, number> }
>()

const contentsOf = (parent: Scope.Scope) => {
  const known = contents.get(parent)
  if (known !== undefined) return known
  const keys = [...(openStates.get(parent)?.finalizers?.keys() ?? [])]
  const found = { keys, places: new Map(keys.map((key, place) => [key, place])) }
  contents.set(parent, found)
  return found
}

/**
 * Forks a scope that closes together with its neighbours in the parent. With `lets`, the scope
 * opened right before it may close before it has closed. The parent also waits for `after`, which
 * starts once the scope has closed. Closing the scope directly does not wait for `after`.
 */
export const forkNeighbour = (
  parent: Scope.Scope,
  { after, lets }: { readonly after: Effect.Effect<void>; readonly lets: boolean }
): Effect.Effect<Scope.Closeable> =>
  Effect.gen(function* () {
    const around = yield* Scope.fork(parent)
    if (parent.state._tag === "Open") openStates.set(parent, parent.state)
    const scope = yield* Scope.make()
    neighbours.set(around, { scope: around, lets, joins: false })
    yield* Scope.addFinalizerExit(around, (exit) =>
      Effect.gen(function* () {
        const closing = Effect.forEach(joining(parent, around), (other) =>
          Effect.forkDetach(Scope.close(other, exit), { startImmediately: true })
        )
        const others = yield* closing
        yield* Effect.andThen(Scope.close(scope, exit), after)
        yield* Fiber.joinAll(others)
      })
    )
    yield* Scope.addFinalizer(scope, Scope.close(around, Exit.void))
    return scope
  })

/**
 * The scopes to close together with this one as their parent closes: those opened right before it.
 */
const joining = (parent: Scope.Scope, around: Scope.Scope): ReadonlyArray<Scope.Closeable> => {
  const found: Array<Scope.Closeable> = []
  let current = neighbours.get(around)
  if (parent.state._tag !== "Closed" || current?.joins === true) return found
  const { keys, places } = contentsOf(parent)
  for (let place = (places.get(around) ?? 0) - 1; place >= 0 && current?.lets === true; place--) {
    current = neighbours.get(keys[place]!)
    if (current === undefined || current.joins) break
    current.joins = true
    found.push(current.scope)
  }
  return found
}
