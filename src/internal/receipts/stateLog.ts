/**
 * The states of a stream, one after another, for readers that each read at their own pace.
 *
 * Every state links to the next one, so a reader keeps its position by holding a state. There is no
 * list of readers, and a state that all readers have passed can be collected.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StreamState } from "../../StreamState.ts"
import { Answer } from "../userCode/answer.ts"

interface Entry {
  readonly state: StreamState
  readonly next: Answer<Entry>
}

export class StateLog {
  private latest: Entry

  constructor(state: StreamState) {
    this.latest = { state, next: new Answer() }
  }

  /** The current state of the stream. */
  get current(): StreamState {
    return this.latest.state
  }

  /** Sets the state of the stream. Setting the current state again is not reported. */
  enterUnsafe(state: StreamState): void {
    const { latest } = this
    if (latest.state === state) return
    this.latest = { state, next: new Answer() }
    latest.next.doneUnsafe(Exit.succeed(this.latest))
  }

  /** The state at the time of reading and every later one, until the stream has ended. */
  get changes(): Stream.Stream<StreamState> {
    return Stream.suspend(() =>
      Stream.paginate(Effect.succeed(this.latest), (entry) =>
        Effect.map(entry, ({ next, state }) => {
          const over = state === "closed" || state === "failed"
          return [
            [state],
            over ? Option.none<Effect.Effect<Entry>>() : Option.some(next.await)
          ] as const
        })
      )
    )
  }
}
