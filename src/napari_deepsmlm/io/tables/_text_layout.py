"""How a text table is written: encoding, separator, decimal mark, header, where its rows end."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_deepsmlm.io.tables.headers import has_positions, read_header
from napari_deepsmlm.io.tables.programs import rapidstorm_cells

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepsmlm.io._storage import ReadOnlyFile

HEAD_BYTES = 1 << 16
TAIL_BYTES = 1 << 14
WHITE_SPACE = r"\s+"

_SEPARATORS = (",", ";", "\t", "|", WHITE_SPACE)
_MAX_LINES_BEFORE_HEADER = 60
_MAX_FOOTER_LINES = 60
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_NUL_LINE = re.compile(rb"[\r\n]\0+[\r\n]")  # Elyra puts one between its rows and its footer
_KINDS = {
    b"PK\x03\x04": "an Excel workbook or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
}


@dataclass(frozen=True, slots=True)
class TextLayout:
    """How a table is written.

    Attributes
    ----------
    cells : of the header.
    n_cells : of a row, which may end in separators that the header has not.
    n_skipped : lines before the first row.
    comments : those of them that are not the header.
    rows : of the head, as text.
    end : bytes of the file up to the end of its last row, None: all of them.
    n_footer : lines behind the rows that are none.
    is_broken : whether the last line is a row that was cut.
    is_quoted : whether each row stands in quotation marks as a whole.
    has_odd_quotes : whether a quotation mark before the rows is never closed.
    """

    encoding: str
    separator: str
    decimal: str
    cells: tuple[str, ...]
    n_cells: int
    n_skipped: int
    comments: tuple[str, ...]
    rows: tuple[str, ...]
    end: int | None = None
    n_footer: int = 0
    is_broken: bool = False
    is_quoted: bool = False
    has_odd_quotes: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the file can be parsed as it is."""
        return self.end is None and self.is_parsed_bytewise

    @property
    def is_parsed_bytewise(self) -> bool:
        """Whether the bytes of its rows can be parsed as they are."""
        return not (self.is_quoted or self.has_odd_quotes or self.encoding.startswith("utf-16"))


def layout_of(file: ReadOnlyFile) -> TextLayout:
    """Return how the table in a file is written.

    Raises
    ------
    ValueError
        One sentence: it is empty, no text, or has rows that do not fit its header.
    """
    head = file.read_at(0, HEAD_BYTES)
    kind = next((kind for start, kind in _KINDS.items() if head.startswith(start)), None)
    if kind is not None:
        raise ValueError(f"{file.name}: is {kind}, not a text file; save the table as CSV.")
    layout = layout_of_head(file.name, head, is_whole=len(head) == file.size)
    return _with_end(file, head, layout)


def layout_of_head(name: str, head: bytes, *, is_whole: bool = True) -> TextLayout:
    """Return how a table is written by its first bytes; see :func:`layout_of`."""
    nul = _NUL_LINE.search(head)
    body, encoding = (head[: nul.start()], "") if nul else (head, "")
    encoding = _encoding(body)
    if not encoding:
        raise ValueError(f"{name}: is not a text file; export the table as CSV.")
    text = body.decode(encoding, errors="replace")
    if not is_whole and nul is None:
        text = text[: text.rfind("\n") + 1] or text
    lines = _LINE_END.split(text)
    if not any(line.strip() for line in lines):
        raise ValueError(f"{name}: the file is empty; export the table again.")
    at, separator, cells = _header(lines)
    is_described = "<localizations" in lines[at]
    rows = tuple(line for line in lines[at + 1 :] if line.strip())
    is_quoted = _are_quoted(rows, separator)
    if is_quoted:
        rows = tuple(row.strip().strip('"').replace('""', '"') for row in rows)
    split = [split_row(row, separator) for row in rows]
    n_cells = Counter(map(len, split)).most_common(1)[0][0] if rows else len(cells)
    cells, n_cells = _fitted(name, cells, n_cells, split, separator)
    return TextLayout(
        encoding=encoding,
        separator=separator,
        decimal="," if separator != "," and _has_decimal_commas(split) else ".",
        cells=cells,
        n_cells=n_cells,
        n_skipped=at + 1,
        comments=tuple(line for line in lines[: at + is_described] if line.strip()),
        rows=rows,
        is_quoted=is_quoted,
        has_odd_quotes=any(line.count('"') % 2 for line in lines[: at + 1]),
    )


def split_row(line: str, separator: str) -> list[str]:
    """Return the cells of a line."""
    if separator == WHITE_SPACE:
        return line.split()
    return next(csv.reader(io.StringIO(line), delimiter=separator), [])


def whole_text(path: Path, layout: TextLayout) -> io.StringIO:
    """Return the rows of a file that cannot be parsed as it is, as text that can."""
    data = path.read_bytes()[: layout.end]
    text = data.decode(layout.encoding, errors="replace")
    lines = _LINE_END.split(text)[layout.n_skipped :]
    if layout.is_quoted:
        lines = [line.strip().strip('"').replace('""', '"') for line in lines]
    return io.StringIO("\n".join(lines))


# -- header -----------------------------------------------------------------------------------


def _encoding(data: bytes) -> str:
    """Return the encoding of a text, "" if it is none."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    if b"\0" in data:
        even, odd = data[0:2000:2].count(0), data[1:2000:2].count(0)
        half = min(len(data), 2000) // 2
        if min(even, odd) == 0 and max(even, odd) > 0.9 * half > 4:
            return "utf-16-be" if even else "utf-16-le"
        return ""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def _header(lines: list[str]) -> tuple[int, str, tuple[str, ...]]:
    """Return the last line before the rows, the separator, and the header cells."""
    first, stated = _first_line(lines)
    if "<localizations" in lines[first]:
        return first, WHITE_SPACE, tuple(rapidstorm_cells(lines[first]))
    for at in range(first, min(len(lines), first + _MAX_LINES_BEFORE_HEADER)):
        found = _best_split(lines[at].lstrip("#%/ "), stated)
        if has_positions(map(read_header, found[1])):
            return at, *found
    while first < len(lines) - 1 and _is_comment(lines[first]):
        first += 1
    return first, *_best_split(lines[first], stated)


def _first_line(lines: list[str]) -> tuple[int, str]:
    """Return the first line with something in it, and the separator that `sep=;` states."""
    first = next(i for i, line in enumerate(lines) if line.strip())
    stated = re.fullmatch(r"\"?sep=(.)\"?", lines[first].strip("\r\n ;,"), re.IGNORECASE)
    stated = stated or re.fullmatch(r"\"?sep=(.)\"?", lines[first].strip("\r\n"), re.IGNORECASE)
    if stated is None:
        return first, ""
    following = next((i for i in range(first + 1, len(lines)) if lines[i].strip()), first)
    return following, stated[1]


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().lstrip('"').startswith(("#", "%", "//"))


def _best_split(line: str, stated: str) -> tuple[str, tuple[str, ...]]:
    """Return the separator that makes the most of a header, and its cells."""
    line = _unquoted(line)
    splits = [(mark, _header_cells(line, mark)) for mark in ([stated] if stated else _SEPARATORS)]
    # white space comes last: names of columns may have it
    return max(splits, key=lambda s: (has_positions(map(read_header, s[1])), _n_marked(*s)))


def _n_marked(separator: str, cells: tuple[str, ...]) -> int:
    return 1 if separator == WHITE_SPACE else len(cells)


def _header_cells(line: str, separator: str) -> tuple[str, ...]:
    if separator == WHITE_SPACE:
        cells = re.split(r"\s+(?![\[(])", line.strip())
    else:
        cells = split_row(line, separator)
    return tuple(cell.strip() for cell in cells)


def _unquoted(line: str) -> str:
    r"""Take a header out of the quotation marks that a spreadsheet put around the whole of it."""
    cells = next(csv.reader(io.StringIO(line.strip())), [])
    is_one = len(cells) == 1 and line.strip().startswith('"') and line.strip().endswith('"')
    return cells[0] if is_one else line


# -- rows -------------------------------------------------------------------------------------


def _are_quoted(rows: tuple[str, ...], separator: str) -> bool:
    sample = [row.strip() for row in rows[:20]]
    marks = ",;\t" if separator == WHITE_SPACE else separator
    return bool(sample) and all(
        row.startswith('"')
        and row.endswith('"')
        and len(split_row(row, separator)) == 1
        and any(mark in row for mark in marks)
        for row in sample
    )


def _has_decimal_commas(rows: list[list[str]]) -> bool:
    return any(_DECIMAL_COMMA.fullmatch(cell) for row in rows for cell in row)


def _fitted(
    name: str, cells: tuple[str, ...], n_cells: int, rows: list[list[str]], separator: str
) -> tuple[tuple[str, ...], int]:
    """Return header cells without empty ones at the end, and how many cells rows have."""
    while len(cells) > 1 and not cells[-1]:
        cells = cells[:-1]
    long = next((i for i, row in enumerate(rows) if any(c.strip() for c in row[len(cells) :])), -1)
    if n_cells > len(cells) and long >= 0:
        hint = "export the table again"
        if separator == "," and all(c.strip().lstrip("-").isdigit() for c in rows[long]):
            hint = "if the numbers have decimal commas, export them with decimal points"
        raise ValueError(
            f"{name}: row {long + 1} has {len(rows[long])} cells but the header has {len(cells)}; "
            f"{hint}."
        )
    return cells, max(n_cells, len(cells)) if long < 0 else len(cells)


# -- the end ----------------------------------------------------------------------------------


def _with_end(file: ReadOnlyFile, head: bytes, layout: TextLayout) -> TextLayout:
    """Find what stands behind the rows: a footer, or a row that was cut."""
    start = max(0, file.size - TAIL_BYTES)
    wide = 2 if layout.encoding.startswith("utf-16") else 1
    tail = head[start:] if len(head) == file.size else file.read_at(start, TAIL_BYTES)
    nul = _NUL_LINE.search(tail) if wide == 1 else None
    rows_end = nul.start() if nul else len(tail)
    n_footer = len([x for x in tail[rows_end:].split(b"\n") if x.strip(b"\0\r ")])
    encoding = layout.encoding if wide == 2 else "latin-1"  # a byte a character
    if encoding == "utf-16":
        encoding = "utf-16-le" if head.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    text = tail[:rows_end].decode(encoding, errors="replace")
    n_expected = len(layout.cells) if not layout.rows else _typical(layout)
    lines = _LINES.findall(text)[1 if start else layout.n_skipped :]
    dropped: list[str] = []
    while lines and len(dropped) < _MAX_FOOTER_LINES:
        line = lines[-1].strip("\r\n")
        if line.strip() and len(split_row(_bare(line, layout), layout.separator)) >= n_expected:
            break
        dropped.append(lines.pop())
    filled = [line for line in dropped if line.strip()]
    if not lines and not nul:  # no row in sight: judge nothing
        return layout
    if not filled and not nul:
        return layout
    is_broken = len(filled) == 1 and dropped[-1] is filled[0] and _is_numeric(filled[0], layout)
    cut = sum(len(line) for line in dropped) * wide + (len(tail) - rows_end)
    return replace(
        layout,
        end=file.size - cut,
        n_footer=n_footer + len(filled),
        is_broken=is_broken and not nul,
    )


def _typical(layout: TextLayout) -> int:
    counts = Counter(len(split_row(row, layout.separator)) for row in layout.rows[:200])
    return min(counts.most_common(1)[0][0], len(layout.cells))


def _bare(line: str, layout: TextLayout) -> str:
    return line.strip().strip('"') if layout.is_quoted else line


def _is_numeric(line: str, layout: TextLayout) -> bool:
    cells = split_row(_bare(line.strip("\r\n"), layout), layout.separator)
    return bool(cells) and bool(re.fullmatch(r"\s*[+-]?[\d.,]+\s*", cells[0]))
