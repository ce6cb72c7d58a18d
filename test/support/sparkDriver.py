"""A Spark session with Delta Lake that runs SQL: one JSON object per input line, one per output
line, until standard input ends.

    {"sql": "SELECT 1 AS n"}   ->   {"rows": [{"n": "1"}]}  or  {"error": "the error of Spark"}

The argument is the folder of Delta Lake's jars. When it is empty, Spark runs without Delta Lake.
VARIANT is returned as its two binary parts.
"""

import glob
import json
import os
import sys

os.environ["TZ"] = "UTC"

from plainValues import plain
from pyspark.sql import Row, SparkSession
from pyspark.sql.types import TimestampNTZType, TimestampType, VariantVal

# Returns Spark's microseconds: Python has no timestamps for the first day of the year 1 and before.
TimestampType.fromInternal = TimestampNTZType.fromInternal = lambda self, micros: micros

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    # VACUUM lists folders in this many tasks, by default 10,000 even for a few folders.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
}

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.memory": "1g",
    # Short statements on few cores: a compiler and a collector that start fast.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def seen(value):
    if isinstance(value, VariantVal):
        return {"metadata": plain(bytes(value.metadata)), "value": plain(bytes(value.value))}
    if isinstance(value, Row):
        return {key: seen(item) for key, item in zip(value.__fields__, value)}
    if isinstance(value, dict):
        return [[seen(key), seen(item)] for key, item in value.items()]
    if isinstance(value, list):
        return [seen(item) for item in value]
    return plain(value)


def reason(error):
    """The error of Spark with its causes, which show where many tasks failed."""
    said = [str(error)[:2000]]
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None and len(said) < 6:
        cause = cause.getCause()
        if cause is not None:
            said.append(str(cause.toString())[:500])
    return "\ncaused by ".join(said)


def answer(spark, question):
    try:
        return {"rows": [seen(row) for row in spark.sql(question["sql"]).collect()]}
    except Exception as error:
        return {"error": reason(error)}


def main():
    # Java and Spark print to standard error; standard output is reserved for answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    builder = SparkSession.builder.master("local[2]").appName("tables")
    jars = glob.glob(os.path.join(sys.argv[1], "*.jar")) if sys.argv[1] else []
    if jars:
        builder = builder.config("spark.jars", ",".join(jars))
    for key, value in {**SETTINGS, **(DELTA if jars else {})}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    print(json.dumps({"version": spark.version}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(spark, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
