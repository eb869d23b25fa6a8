"""What a pasted or uploaded table holds, as the page shows it before it is used. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.errors import SpecError
from distalign.sheets import RowProblem, Sheet, is_sheet, read_sheet, target_rows
from distalign.targets import RULE, matched_rows, stray_rows
from ui import cards, tables
from ui.present import esc, plural

SHOWN_ROWS, SHOWN_PROBLEMS = 4, 200


def contexts_preview(text: str, attribute: Attribute | None) -> str:
    """What a pasted list of contexts holds, where it is a table."""
    if not is_sheet(text):
        return ""
    try:
        sheet = read_sheet(text)
    except SpecError as error:
        return cards.error_note(error)
    problems: Sequence[RowProblem] = sheet.problems
    if sheet.columns and attribute is not None:
        _, problems = target_rows(sheet, attribute)
    what = f", and shares of {', '.join(sheet.columns)}" if sheet.columns else ""
    return _preview(sheet, problems, f"{plural(len(sheet.rows), 'context')}{what}.")


def read_target(
    text: str, attribute: Attribute, contexts: Contexts, rescale: bool
) -> tuple[dict[str, dict[str, str]], str]:
    """A pasted target's rows by context, rules applied, and its preview.

    Raises:
        SpecError: where the text is no table at all.
    """
    sheet = read_sheet(text, "target")
    rows, problems = target_rows(sheet, attribute, rescale)
    strays = stray_rows([row.context for row in sheet.rows], contexts)
    problems = sorted(
        [
            *problems,
            *(
                RowProblem(row.number, strays[row.context], "Remove it, or add the context")
                for row in sheet.rows
                if row.context in strays and row.number not in {problem.row for problem in problems}
            ),
        ],
        key=lambda problem: problem.row,
    )
    matched = dict(zip(contexts.names, matched_rows(list(rows), contexts), strict=True))
    filled = {
        context: dict(zip(attribute.names, map(tables.cell, rows[name]), strict=True))
        for context, name in matched.items()
        if name is not None
    }
    return filled, _preview(sheet, problems, _coverage(matched))


def _coverage(matched: Mapping[str, str | None]) -> str:
    covered = [name for name in matched.values() if name is not None]
    by_rule = sum(RULE in name for name in covered)
    missing = [context for context, name in matched.items() if name is None]
    text = f"{len(covered)} of {plural(len(matched), 'context')} get a row"
    if by_rule:
        text += f", {by_rule} of them by a rule"
    if missing:
        text += f"; “{missing[0]}”" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
        text += " would keep theirs. A row “*” stands for all others"
    return text + "."


def _preview(sheet: Sheet, problems: Sequence[RowProblem], lead: str) -> str:
    wrong = {problem.row for problem in problems}
    chosen = [row for row in sheet.rows if row.number in wrong][:SHOWN_ROWS]
    chosen += [row for row in sheet.rows if row.number not in wrong][: SHOWN_ROWS - len(chosen)]
    head = "".join(f"<th>{esc(name)}</th>" for name in ("", "context", *sheet.columns))
    body = "".join(
        f'<tr class="{"off" if row.number in wrong else ""}"><td>{row.number}</td><th>{esc(row.context)}</th>'
        + "".join(f"<td>{esc(cell)}</td>" for cell in row.cells.values())
        + "</tr>"
        for row in sorted(chosen, key=lambda row: row.number)
    )
    table = f'<div class="da-sheet-scroll" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'
    return f'<div class="da-sheet"><p>{esc(lead)}</p>{table}{problem_list(problems)}</div>'


def problem_list(problems: Sequence[RowProblem]) -> str:
    """Every row that cannot be used, with what to do."""
    if not problems:
        return ""
    lines = "".join(
        f"<li><b>Row {p.row}:</b> {esc(p.problem)}. {esc(p.remedy)}.</li>" for p in problems[:SHOWN_PROBLEMS]
    )
    rest = len(problems) - SHOWN_PROBLEMS
    more = f"<li>and {plural(rest, 'more row')}</li>" if rest > 0 else ""
    return (
        f'<div class="da-note bad" role="alert"><strong>{plural(len(problems), "row")} cannot be used.</strong>'
        f'<ul tabindex="0">{lines}{more}</ul></div>'
    )
