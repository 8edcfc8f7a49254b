"""FetchXML over the local rows: the queries and operators that offline clients support, compiled to SQLite's SQL.

From the outside in: `_query` answers a `<fetch>`; `_filters` makes SQL of its filters and links, `_conditions` of one
condition; `_windows` and `_fiscal` say what a calendar operator means at an instant, `_text` how texts compare,
`_operands` reads values; `_document` is the XML, bounded. `_caller` is who asks. The meaning of every operator is that
of docs/filters.md, and the same cases hold it (tests/conformance).
"""

from haversack_client._fetch._caller import Caller, Collation
from haversack_client._fetch._document import DOCUMENT_BYTES_MAX
from haversack_client._fetch._fiscal import FiscalCalendar
from haversack_client._fetch._query import Fetch

__all__ = ["DOCUMENT_BYTES_MAX", "Caller", "Collation", "Fetch", "FiscalCalendar"]
