from __future__ import annotations

from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.plan.feeds import read_feed

RSS = """<?xml version="1.0" encoding="{encoding}"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>The paper</title>
<item><media:title>a caption</media:title><title><![CDATA[Goose sues <b>town</b>]]></title><link>https://a.example/1</link>
<pubDate>Sun, 22 Nov 2026 12:00:00 GMT</pubDate><description>long</description></item>
<item><title> Café&amp;#8217;s last
 day </title></item><item><title></title></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>The paper</title><entry>
<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Mayor <em>is</em> a cat</div></title>
<link rel="self" href="https://a.example/self"/><link href="https://a.example/2"/>
<author><title>not this</title></author>
<published>2026-11-22T12:00:00Z</published><updated>later</updated></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<item><title>Old but there</title></item></rdf:RDF>"""
BOMB = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><rss><item><title>&b;</title></item></rss>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><item><title>&a;</title></item></rss>'


def _feed(folder: Path, content: bytes) -> Path:
    path = folder / "feed.xml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_the_items_of_an_rss_file_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    first, second = read_feed(_feed(tmp_path, RSS.format(encoding=encoding).encode(encoding)))
    assert first == {
        "title": "Goose sues town",
        "link": "https://a.example/1",
        "published": "Sun, 22 Nov 2026 12:00:00 GMT",
    }
    assert second == {"title": "Café’s last day"}


def test_the_entries_of_an_atom_file_and_the_items_of_rss_1(tmp_path: Path) -> None:
    assert read_feed(_feed(tmp_path, ATOM.encode())) == [
        {"title": "Mayor is a cat", "link": "https://a.example/2", "published": "2026-11-22T12:00:00Z"}
    ]
    assert read_feed(_feed(tmp_path, RDF.encode())) == [{"title": "Old but there"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (BOMB, "it declares the entity 'a' (line 1, column"),
        (OUTSIDE, "it declares the entity 'a' (line 1, column"),
        ("<rss><item>", "not an RSS or Atom file: no element found: line 1, column 11"),
        ("", "no element found"),
        ("A goose\n", "not an RSS or Atom file: syntax error: line 1, column 0"),
        ("<rss><item><link>x</link></item></rss>", "there is no entry with a title"),
        ("<a>" * 300, "nested more than 200 deep"),
    ],
)
def test_any_other_file_is_refused_with_the_place(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read_feed(_feed(tmp_path, content.encode()))
    assert says in str(refused.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_feed(tmp_path)
