/**
 * The window of the raw clients: how much was sent and acknowledged, and one sender that waits for
 * room or for the drain.
 */
import { BATCH } from "./client.ts"

export class Window {
  sent = 0
  acknowledged = 0
  private full = false
  private wake: (() => void) | undefined
  private failure: Error | undefined
  private readonly limit: number

  /** `perMessage` records travel in each message. */
  constructor(records: number, perMessage = BATCH) {
    this.limit = Math.max(1, Math.floor(records / perMessage))
  }

  /** Notes one write of so many messages and whether the transport takes more. */
  wrote(messages: number, more: boolean): void {
    this.sent += messages
    this.full = !more
  }

  drained(): void {
    this.full = false
    this.notify()
  }

  acknowledge(upTo: number): void {
    this.acknowledged = upTo + 1
    this.notify()
  }

  fail(error: Error): void {
    this.failure ??= error
    this.notify()
  }

  get hasRoom(): boolean {
    return !this.full && this.sent - this.acknowledged < this.limit
  }

  async room(): Promise<void> {
    while (!this.hasRoom) await this.change()
  }

  async settled(): Promise<void> {
    while (this.acknowledged < this.sent) await this.change()
  }

  private change(): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    return new Promise((resolve) => (this.wake = resolve))
  }

  private notify(): void {
    const wake = this.wake
    this.wake = undefined
    wake?.()
  }
}
