"""`reports/index.html`: one self-contained page that compares models, and holds every case.

It needs no server, no network and no library. Python counts, ranks and packs; the page's own scripts draw. The plots
are boxes placed by percentages, and SVG rectangles for histograms: a few dozen lines of script, which is less than the
smallest charting library.

How it stays small and quick: the data of the tables is JSON in the page. What only an opened case needs (replies,
prompts, attempts) is deflated in chunks, which the browser unpacks on demand. Rows of the matrix exist only while they
are in sight. A page of more than 10,000 cases holds the texts of those that fit, failures first, and says so; a large
index is packed, too.

How it stays harmless: data is in script elements that no browser executes, with every `<`, `>` and `&` escaped. The
scripts make text nodes of it, never markup. A Content-Security-Policy allows only this page's own script and style, by
their hashes.
"""

from plotbot.report.page.document import PageData, page_data, page_of, write_page
from plotbot.report.page.history import HistoryRun, write_history
from plotbot.report.page.matrix import PageRun

__all__ = ["HistoryRun", "PageData", "PageRun", "page_data", "page_of", "write_history", "write_page"]
