/**
 * The listeners for the events of a server. Some are added after the first events.
 */
import type { Tell } from "./serverEvent.ts"

/** Passes events to all listeners. */
export interface Listeners {
  readonly tell: Tell
  readonly add: (listener: Tell) => void
}

/** Creates the listeners of one server. */
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
