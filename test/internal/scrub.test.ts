/**
 * What is removed from texts of the other side.
 */
import { assert, describe, it } from "@effect/vitest"
import { holdsSecret, scrub, scrubOpaque } from "../../src/internal/scrub.ts"

describe("scrub", () => {
  it(
    "S-02 takes out the values of names that hold secrets, in JSON, in JSON texts and in " +
      "forms, and nothing else",
    () => {
      for (const [text, clean] of [
        ['{"access_token":"opaque1","expires_in":5}', '{"access_token":<redacted>,"expires_in":5}'],
        ['{"refresh_token" : "a\\"b c"}', '{"refresh_token" : <redacted>}'],
        ['{"access_token":"cut of', '{"access_token":<redacted>'],
        [
          "grant=x&client_secret=s%20t&id_token=u",
          "grant=x&client_secret=<redacted>&id_token=<redacted>"
        ],
        ['said: {\\"id_token\\":\\"opaque1\\\\n2\\"}', 'said: {\\"id_token\\":<redacted>\\"}'],
        ["client_secret='a b', more", "client_secret=<redacted>, more"],
        ['{"token_type":"Bearer"}', '{"token_type":"Bearer"}'],
        ["the access_token has expired", "the access_token has expired"]
      ] as const) {
        assert.strictEqual(scrub(text), clean)
      }
    }
  )

  it("takes out named secrets, authorization values and tokens that look like it", () => {
    const texts = [
      "Authorization: Bearer s3cr3t-value",
      "authorization=BASIC s3cr3t-value;",
      "sent 'DPoP s3cr3t-value'",
      "token eyJs3cr3t.eyJs3cr3t.s3cr3t-value and more",
      "twice s3cr3t-value s3cr3t-value"
    ]
    for (const text of texts) assert.notInclude(scrub(text, ["s3cr3t-value"]), "s3cr3t")
    for (const text of texts.slice(0, 4)) assert.notInclude(scrub(text), "s3cr3t")
    assert.strictEqual(scrub("plain text", [""]), "plain text")
  })

  it("takes out control characters and cuts long texts", () => {
    assert.strictEqual(scrub("a\r\nb\u0000\u009fc\u001b[31m"), "a b c [31m")
    assert.strictEqual(scrub("x".repeat(10_000)).length, 2048 + 3)
  })

  it("leaves the rest of the text unchanged, and marks where something was", () => {
    for (const [text, expected] of [
      [
        "Authorization: Bearer  abc.def-1, then more",
        "Authorization: Bearer <redacted>, then more"
      ],
      ["authorization=basic\tYWJj; more", "authorization=basic <redacted>; more"],
      ["it said 'DPoP abc' twice", "it said 'DPoP <redacted>' twice"],
      [
        "of eyJhbGci.eyJzdWIi.c2lnbmF0dXJl and eyJhbGci.eyJzdWIi and eyJh.eyJ. too",
        "of <redacted> and <redacted> and <redacted> too"
      ],
      [
        "the secret is correct-horse, twice: correct-horse",
        "the secret is <redacted>, twice: <redacted>"
      ],
      ["a forbearer of keyJ.x stays", "a forbearer of keyJ.x stays"],
      [" \n ends ", "ends"],
      ["", ""]
    ] as const) {
      assert.strictEqual(scrub(text, ["correct-horse"]), expected)
    }
    assert.strictEqual(scrub("x".repeat(2048)), "x".repeat(2048))
    assert.strictEqual(scrub("x".repeat(2049)), `${"x".repeat(2048)}...`)
  })
})

describe("a named secret", () => {
  it("is taken out from eight characters on: a shorter one may be a word of the sentence", () => {
    assert.strictEqual(scrub("a 12345678 b", ["12345678"]), "a <redacted> b")
    assert.strictEqual(scrub("a 1234567 b", ["1234567"]), "a 1234567 b")
  })

  it("that is part of another leaves nothing of that one, in any order", () => {
    const secrets = ["secret-key", "secret-key-longer", "a-secret-key"]
    for (const given of [secrets, [...secrets].reverse()]) {
      assert.strictEqual(
        scrub("1 secret-key-longer 2 a-secret-key 3 secret-key", given),
        "1 <redacted> 2 <redacted> 3 <redacted>"
      )
    }
    assert.deepStrictEqual(secrets, ["secret-key", "secret-key-longer", "a-secret-key"])
  })
})

describe("a long text of the other side", () => {
  it("is read once, wherever a token could begin in it", () => {
    // Reading it again from each of the positions would take half a minute.
    for (let n = 0; n < 30; n++) {
      assert.strictEqual(scrub("-eyJ".repeat(16_000)).length, 2048 + 3)
      assert.strictEqual(scrub("-eyJ".repeat(16_000) + "."), "-<redacted>")
    }
    assert.strictEqual(
      scrub(`a.b eyJx.eyJy.z_w, ${"c ".repeat(40_000)}eyJ0.1.2`).slice(0, 24),
      "a.b <redacted>, c c c c "
    )
    // The part that is read ends between two words, so that no half of a token remains.
    assert.notInclude(scrub(`${"eyJ0.1.2,".repeat(8_000)}`), "eyJ")
  })
})

describe("holdsSecret", () => {
  it("finds a secret as it is and as JSON writes it, and passes over short ones", () => {
    const quoted = 'se"cr\\et-1'
    for (const [text, secrets, found] of [
      ["a s3cr3t-value b", ["s3cr3t-value"], true],
      ["a s3cr3t-valu", ["other-one", "s3cr3t-value"], false],
      [JSON.stringify({ a: quoted }), [quoted], true],
      ["a 1234567", ["1234567"], false],
      ["a 12345678", ["12345678"], true],
      ["", [], false]
    ] as const) {
      assert.strictEqual(holdsSecret(text, secrets), found, text)
    }
    assert.strictEqual(scrub(JSON.stringify({ a: quoted }), [quoted]), '{"a":"<redacted>"}')
  })
})

describe("scrubOpaque", () => {
  it("S-02 removes words that may be tokens, and keeps the words of a sentence", () => {
    for (const [text, clean] of [
      ["no luck with CANARYTOKEN91bc, code 403", "no luck with <redacted>, code 403"],
      ["dapi0123456789abcdef0123456789abcdef", "<redacted>"],
      ["hvs.CAESIJ2x9ab_cdQ-1234abcd5678efgh at 12:00", "hvs.<redacted> at 12:00"],
      ["GET /v1/data/a1b2c3d4e5f6g7h8?x=1", "GET <redacted>?x=1"],
      ["key=ab-c3d4e5f6g7h8i9-z", "key=<redacted>"],
      [
        "vault-prod-01.example.com:8200 in us-west-2",
        "vault-prod-01.example.com:8200 in us-west-2"
      ],
      ["ECONNREFUSED after 123456789012345 ns", "ECONNREFUSED after 123456789012345 ns"],
      ["internationalization of authorization", "internationalization of authorization"],
      ["Bearer abc", "Bearer <redacted>"]
    ] as const) {
      assert.strictEqual(scrubOpaque(text), clean)
    }
  })
})
