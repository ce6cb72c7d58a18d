/** Headers of a session without a token service. */
import { Effect } from "effect"
import { HeadersProvider } from "../../src/HeadersProvider.ts"

export const TestHeaders = HeadersProvider.make({
  getHeaders: () => Effect.succeed({ authorization: "Bearer test" })
})
