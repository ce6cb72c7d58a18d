/** Protobuf messages as JSON text, against the encoder of protobufjs. */
import { assert, describe, it } from "@effect/vitest"
import protobuf from "protobufjs"
import "protobufjs/ext/descriptor.js"
import { messageTextOf } from "../../../src/cli/spool/messageText.ts"

const { root } = protobuf.parse(
  `syntax = "proto2";
   message Row {
     message Inner { optional sint64 a = 1; optional string b = 2; repeated Inner2 more = 3; }
     message Inner2 { optional bool yes = 1; }
     optional int32 i32 = 1; optional sint32 s32 = 2; optional uint32 u32 = 3;
     optional fixed32 f32 = 4; optional sfixed32 sf32 = 5;
     optional int64 i64 = 6; optional uint64 u64 = 7; optional fixed64 f64 = 8;
     optional sfixed64 sf64 = 9; optional double d = 10; optional float f = 11;
     optional bool flag = 12; optional string text = 13; optional bytes raw = 14;
     repeated int32 packed = 15 [packed = true]; repeated string words = 16;
     optional Inner inner = 17; map<string, int64> counts = 18; map<int32, Inner> byNumber = 19;
     repeated double plain = 20;
   }`,
  { keepCase: true }
)
const Row = root.resolveAll().lookupType("Row")
const descriptorOf = (type: protobuf.Type): Uint8Array => {
  const { DescriptorProto } = (protobuf as unknown as { descriptor: Record<string, protobuf.Type> })
    .descriptor
  return DescriptorProto!
    .encode(
      (type as unknown as { toDescriptor: (e: string) => protobuf.Message }).toDescriptor("proto2")
    )
    .finish()
}
const text = messageTextOf(descriptorOf(Row))!
const encoded = (value: object): Uint8Array => Row.encode(Row.fromObject(value)).finish()

describe("the text of a message", () => {
  it("has every type of field, with all digits of integers", () => {
    const payload = encoded({
      i32: -5,
      s32: -2147483648,
      u32: 4294967295,
      f32: 7,
      sf32: -7,
      i64: "-9223372036854775808",
      u64: "18446744073709551615",
      f64: "18446744073709551615",
      sf64: "-9007199254740993",
      d: 0.1,
      f: 0.5,
      flag: true,
      text: 'a "b"\n\u2028é',
      raw: Buffer.from([0, 1, 255]).toString("base64"),
      packed: [1, -1, 300],
      words: ["x", ""],
      inner: { a: "-3", b: "deep", more: [{ yes: false }, {}] },
      counts: { "one": "1", "": "9007199254740993" },
      byNumber: { "-4": { a: "1" } },
      plain: [1.5, -0]
    })
    assert.strictEqual(
      text(payload),
      '{"i32":-5,"s32":-2147483648,"u32":4294967295,"f32":7,"sf32":-7,"i64":-9223372036854775808,' +
        '"u64":18446744073709551615,"f64":18446744073709551615,"sf64":-9007199254740993,"d":0.1,' +
        '"f":0.5,' +
        '"flag":true,"text":"a \\"b\\"\\n\u2028é","raw":"AAH/","packed":[1,-1,300],"words":["x",' +
        '""],' +
        '"inner":{"a":-3,"b":"deep","more":[{"yes":false},{}]},"counts":{"one":1,' +
        '"":9007199254740993},' +
        '"byNumber":{"-4":{"a":1}},"plain":[1.5,-0.0]}'
    )
  })

  it("leaves absent fields out, and has the numbers that are none as texts", () => {
    assert.strictEqual(text(encoded({})), "{}")
    assert.strictEqual(text(encoded({ d: NaN, f: -Infinity })), '{"d":"NaN","f":"-Infinity"}')
  })

  it("has the last value of a field that comes twice, and one message for all its pieces", () => {
    const twice = Buffer.concat([
      encoded({ i32: 1, inner: { a: "1" } }),
      encoded({ i32: 2, inner: { b: "x" } })
    ])
    assert.strictEqual(text(twice), '{"i32":2,"inner":{"a":1,"b":"x"}}')
  })

  it("has a zero for a map's key or value that the encoder left out", () => {
    assert.strictEqual(text(Buffer.from([0x92, 0x01, 0x00])), '{"counts":{"":0}}')
    assert.strictEqual(text(Buffer.from([0x9a, 0x01, 0x00])), '{"byNumber":{"0":{}}}')
  })

  it("is none for what the descriptor does not describe in full", () => {
    const unknownField = Buffer.from([0xf8, 0x07, 0x01])
    const otherWire = Buffer.from([0x0a, 0x01, 0x01])
    const inside = Buffer.concat([Buffer.from([0x8a, 0x01, 3]), unknownField])
    for (const payload of [
      unknownField,
      otherWire,
      inside,
      Buffer.from([0x0d]),
      Buffer.from("{}")
    ]) {
      assert.isUndefined(text(payload), Buffer.from(payload).toString("hex"))
    }
    assert.isUndefined(messageTextOf(Buffer.from("no descriptor")))
  })
})
