"""A page as a reader, and as a browser, sees it."""

import re
from html.parser import HTMLParser


def visible(page: str) -> str:
    """Text as a reader sees it, on one line."""

    class Text(HTMLParser):
        hidden = 0

        def handle_starttag(self, tag, attrs):
            self.hidden += tag in {"style", "title"}

        def handle_endtag(self, tag):
            self.hidden -= tag in {"style", "title"}

        def handle_data(self, data):
            if not self.hidden:
                self.words.append(data)

    parser = Text()
    parser.words = []
    parser.feed(page)
    return " ".join(" ".join(parser.words).split())


def fetched(page: str) -> list[str]:
    """What a browser would load from elsewhere."""
    addresses = re.findall(r"https?:\S+|\s(?:src|href)=\"(?!#|data:)", page.replace("xlink:", " "))
    return [*addresses, *re.findall(r"<(?:script|link|img|iframe)|@import|url\((?!#)", page)]
