"""Runs SQL over a Delta table with the ClickHouse engine of chdb, which reads Delta through
delta-kernel-rs.

    queryChdb.py TABLE SQL     replaces {table} in the SQL; prints the rows as a JSON array
"""

import json
import os
import sys

import chdb

table, sql = sys.argv[1:3]
# The engine reads only files below its working directory.
os.chdir("/")
source = "deltaLakeLocal('%s')" % os.path.abspath(table)
settings = "output_format_json_quote_64bit_integers = 1, output_format_json_quote_decimals = 1"
joint = "," if " SETTINGS " in sql else " SETTINGS"
text = str(chdb.query("%s%s %s FORMAT JSONEachRow" % (sql.replace("{table}", source), joint, settings)))
print(json.dumps([json.loads(line) for line in text.splitlines()]))
sys.stdout.flush()
os._exit(0)
