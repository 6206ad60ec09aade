"""How schemathesis writes the one kind of body that it does not know: a JSON value a line."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    rows = value if isinstance(value, list) else [value]
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode("utf-8", "surrogatepass")
