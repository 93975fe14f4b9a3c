"""`reports/index.html`: one self-contained page that compares models, and holds every case.

It needs no server, no network and no library. Python counts, ranks and packs; the page's own scripts draw. The plots
are boxes placed by percentages, and SVG rectangles for histograms: a few dozen lines that stretch with the window and
take their colours from the style sheet, where the smallest charting library is larger than all of this page's code.

How it stays small and quick: what the tables need stands as JSON in the page; what only an opened case needs
(replies, prompts, attempts) is deflated in chunks and unpacked by the browser when it is asked for. Rows of the matrix
exist only while they are in sight.

How it stays harmless: data stands in script elements that no browser executes, with every `<`, `>` and `&` escaped;
the scripts make text nodes of it and never markup; a Content-Security-Policy allows this page's own script and style
by their hashes and nothing else.
"""

from plotbot.report.page.document import PageData, page_data, write_page
from plotbot.report.page.matrix import PageRun

__all__ = ["PageData", "PageRun", "page_data", "write_page"]
