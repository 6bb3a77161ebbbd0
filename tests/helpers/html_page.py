"""A page read back by Python's HTML parser: tags, words, tables, pictures; what is not well-formed is an error."""

import base64
import io
from html.parser import HTMLParser

from PIL import Image

VOID = {"meta", "img", "br", "link", "input", "hr"}
NO_END = {"line", "circle", "polyline"}  # of SVG, where they close themselves


class HtmlPage(HTMLParser):
    """The tags with their attributes, the words, and the cells of tables; AssertionError for tags out of order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.tables, self.texts = [], "", [], {}
        self._open = []
        self.feed(text)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        assert tag in NO_END | VOID, tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open and self._open[-1] == tag, (tag, self._open)
        self._open.pop()

    def handle_data(self, data):
        if self._open and self._open[-1] in ("style", "script"):
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data
            return
        self.words = " ".join(f"{self.words} {data}".split())
        if any(tag in ("td", "th") for tag in self._open):
            self.tables[-1][-1][-1] = " ".join(f"{self.tables[-1][-1][-1]} {data}".split())

    def count(self, tag, **attrs):
        return sum(t == tag and attrs.items() <= a.items() for t, a in self.tags)

    def table(self, *headings):
        """Return the rows below the table's headings."""
        (found,) = [table for table in self.tables if table and tuple(table[0]) == headings]
        return found[1:]

    def pictures(self):
        """Return {alt text: decoded image}s in order."""
        images = [attrs for tag, attrs in self.tags if tag == "img"]
        return [(image["alt"], _decoded(image["src"])) for image in images]

    def check_alone(self):
        """Raise AssertionError for a reference to anything outside of the page."""
        for tag, attrs in self.tags:
            assert tag not in ("link", "iframe", "object", "base", "form"), tag
            for name in ("src", "href", "srcset", "action", "data", "xlink:href", "background", "poster"):
                value = attrs.get(name) or "data:"
                assert value.startswith(("data:", "#")), (tag, name, value[:80])
        for text in self.texts.values():
            assert not any(word in text for word in ("url(", "@import", "http", "fetch(", "XMLHttp", "import("))


def _decoded(uri):
    head, _, data = uri.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64"), head
    data = base64.b64decode(data, validate=True)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    return image, len(data)
