/**
 * Those who are told what happens in a server. Some of them come after the first events.
 */
import type { Tell } from "./serverEvent.ts"

/** Tells all who listen. */
export interface Listeners {
  readonly tell: Tell
  readonly add: (listener: Tell) => void
}

/** Makes the listeners of one server. */
export const makeListeners = (): Listeners => {
  const listeners: Array<Tell> = []
  return {
    tell: (event) => {
      for (const listener of listeners) listener(event)
    },
    add: (listener) => {
      listeners.push(listener)
    }
  }
}
