/**
 * The window of the raw clients: the numbers of sent and acknowledged records, and one sender that
 * waits for room or for the drain.
 */
import { BATCH } from "./client.ts"

export class Window {
  sent = 0
  acknowledged = 0
  private full = false
  private wake: (() => void) | undefined
  private failure: Error | undefined
  private readonly limit: number

  /** Each message carries `perMessage` records. */
  constructor(records: number, perMessage = BATCH) {
    this.limit = Math.max(1, Math.floor(records / perMessage))
  }

  /** Records one write of some messages, and whether the transport accepts more. */
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
