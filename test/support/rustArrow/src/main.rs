//! Ingests Arrow batches with the official Rust SDK, unchanged, and prints the last offset.
//! Its feature `testing` allows a server without TLS.
//!
//! Arguments: server endpoint, workspace URL, client id, client secret, table, count, rows of a
//! batch, milliseconds between two batches. Row n is a function of n alone, which
//! `everyArrowColumn.ts` has as well. Each seventh row is NULL in all columns but the id.
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{Int64Builder, LargeStringBuilder, MapBuilder, MapFieldNames};
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema};
use databricks_zerobus_ingest_sdk::ZerobusSdk;

fn is_null(n: i64) -> bool {
    n % 7 == 3
}

fn cells<A>(rows: std::ops::Range<i64>, make: impl Fn(i64) -> A) -> Vec<Option<A>> {
    rows.map(|n| if is_null(n) { None } else { Some(make(n)) }).collect()
}

fn nulls(rows: std::ops::Range<i64>) -> NullBuffer {
    rows.map(|n| !is_null(n)).collect::<Vec<_>>().into()
}

fn place_fields() -> Fields {
    vec![
        Field::new("lat", DataType::Float64, true),
        Field::new("name", DataType::LargeUtf8, true),
    ]
    .into()
}

fn variants(rows: std::ops::Range<i64>) -> StructArray {
    // The JSON value {"n": n}: one name, an object of one field, and an INT32.
    let metadata = LargeBinaryArray::from_iter_values(rows.clone().map(|_| *b"\x11\x01\x00\x01n"));
    let value = LargeBinaryArray::from_iter_values(rows.clone().map(|n| {
        [b"\x02\x01\x00\x00\x05\x14".as_slice(), &(n as i32).to_le_bytes()].concat()
    }));
    let fields: Fields = vec![
        Field::new("metadata", DataType::LargeBinary, false),
        Field::new("value", DataType::LargeBinary, false),
    ]
    .into();
    StructArray::new(fields, vec![Arc::new(metadata), Arc::new(value)], Some(nulls(rows)))
}

fn lengths(rows: std::ops::Range<i64>, modulus: i64) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths(rows.map(|n| if is_null(n) { 0 } else { (n % modulus) as usize }))
}

fn items<A>(rows: std::ops::Range<i64>, modulus: i64, make: impl Fn(i64, i64) -> A) -> Vec<A> {
    rows.filter(|n| !is_null(*n))
        .flat_map(|n| (0..n % modulus).map(move |index| (n, index)))
        .map(|(n, index)| make(n, index))
        .collect()
}

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let r = || rows.clone();
    let array = Int32Array::from(items(r(), 4, |n, index| if index == 1 { None } else { Some(n as i32) }));
    let list = ListArray::new(
        Arc::new(Field::new("item", DataType::Int32, true)),
        lengths(r(), 4),
        Arc::new(array),
        Some(nulls(r())),
    );
    let place = StructArray::new(
        place_fields(),
        vec![
            Arc::new(Float64Array::from_iter_values(r().map(|n| n as f64 / 2.0))),
            Arc::new(LargeStringArray::from_iter(
                r().map(|n| if n % 2 == 1 { None } else { Some(format!("place {n}")) }),
            )),
        ],
        Some(nulls(r())),
    );
    let places = StructArray::new(
        place_fields(),
        vec![
            Arc::new(Float64Array::from(items(r(), 3, |_, index| index as f64))),
            Arc::new(LargeStringArray::from(items(r(), 3, |n, index| format!("{n}.{index}")))),
        ],
        None,
    );
    let structs = ListArray::new(
        Arc::new(Field::new("item", DataType::Struct(place_fields()), true)),
        lengths(r(), 3),
        Arc::new(places),
        Some(nulls(r())),
    );
    let names = MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    let mut map = MapBuilder::new(Some(names), LargeStringBuilder::new(), Int64Builder::new());
    for n in r() {
        for index in 0..(if is_null(n) { 0 } else { n % 3 }) {
            map.keys().append_value(format!("k{index}"));
            map.values().append_value(n + index);
        }
        map.append(!is_null(n)).unwrap();
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(r()))),
        ("c_boolean", Arc::new(BooleanArray::from(cells(r(), |n| n % 2 == 0)))),
        ("c_tinyint", Arc::new(Int8Array::from(cells(r(), |n| (n % 256 - 128) as i8)))),
        ("c_smallint", Arc::new(Int16Array::from(cells(r(), |n| (n % 65536 - 32768) as i16)))),
        ("c_int", Arc::new(Int32Array::from(cells(r(), |n| (n * 7 - (1 << 31)) as i32)))),
        ("c_bigint", Arc::new(Int64Array::from(cells(r(), |n| i64::MIN + n * 1_000_000_000_000)))),
        ("c_float", Arc::new(Float32Array::from(cells(r(), |n| n as f32 / 4.0)))),
        ("c_double", Arc::new(Float64Array::from(cells(r(), |n| if n == 0 { 0.0 } else { -(n as f64) / 3.0 })))),
        ("c_string", Arc::new(LargeStringArray::from(cells(r(), |n| "é".repeat((n % 5) as usize) + &n.to_string())))),
        ("c_binary", Arc::new(LargeBinaryArray::from_iter(cells(r(), |n| (n as i32).to_be_bytes()[1..].repeat((n % 3) as usize))))),
        ("c_date", Arc::new(Date32Array::from(cells(r(), |n| (n - 700_000) as i32)))),
        ("c_timestamp", Arc::new(TimestampMicrosecondArray::from(cells(r(), |n| n * 1_000_003)).with_timezone("UTC"))),
        ("c_timestamp_ntz", Arc::new(TimestampMicrosecondArray::from(cells(r(), |n| -n * 1_000_003)))),
        ("c_decimal", Arc::new(LargeStringArray::from(cells(r(), |n| format!("-{n}.{:02}", n % 100))))),
        ("c_variant", Arc::new(variants(r()))),
        ("c_array", Arc::new(list)),
        ("c_struct", Arc::new(place)),
        ("c_map", Arc::new(map.finish())),
        ("c_structs", Arc::new(structs)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), *name != "id"))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("a batch of the schema")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, workspace, id, secret, table, count, size, pause] = &args[..] else {
        return Err("Eight arguments are needed.".into());
    };
    let (count, size): (i64, i64) = (count.parse()?, size.parse()?);
    let pause = Duration::from_millis(pause.parse()?);
    let sdk = ZerobusSdk::builder()
        .endpoint(endpoint.as_str())
        .unity_catalog_url(workspace.as_str())
        .no_tls()
        .build()?;
    let mut stream = sdk
        .stream_builder()
        .table(table.as_str())
        .oauth(id.as_str(), secret.as_str())
        .arrow(batch(0..1).schema())
        .recovery_backoff_ms(200)
        .recovery_retries(100)
        .recovery_timeout_ms(5000)
        .build_arrow()
        .await?;
    let mut last = -1;
    for start in (0..count).step_by(size as usize) {
        last = stream.ingest_batch(batch(start..(start + size).min(count))).await?;
        tokio::time::sleep(pause).await;
    }
    stream.flush().await?;
    stream.close().await?;
    println!("{last}");
    Ok(())
}
