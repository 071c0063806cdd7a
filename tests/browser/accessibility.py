"""axe-core on a page: what keeps people out, told so that it can be mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

GRAVE: Final = frozenset({"critical", "serious"})
_PLACES: Final = 5  # told of each finding
_RUN: Final = "asked => axe.run({resultTypes: ['violations'], ...asked}).then(found => found.violations)"
_COLOURS: Final = {"runOnly": ["color-contrast", "link-in-text-block"]}


def axe(page: Page) -> None:
    """Run axe-core on the page as it stands; fail with a readable list when it finds anything critical or serious."""
    found = list(findings(page))
    assert not found, f"{page.url}: {len(found)} critical or serious findings\n" + "\n".join(found)


def findings(page: Page, *, colours_only: bool = False) -> Iterator[str]:
    """Yield each critical or serious finding: the rule, what it asks, and where it is broken.

    `colours_only` asks for no more than another theme can change.
    """
    if not page.evaluate("'axe' in window"):  # half a megabyte: a page that is looked at again has it
        page.evaluate(AXE_SCRIPT)
    for finding in page.evaluate(_RUN, _COLOURS if colours_only else {}):
        if finding["impact"] in GRAVE:
            yield _told(finding)


def _told(finding: dict[str, Any]) -> str:
    places = finding["nodes"]
    lines = [f"- {finding['id']} ({finding['impact']}): {finding['help']}; {len(places)} place(s)"]
    for place in places[:_PLACES]:
        why = " ".join(place.get("failureSummary", "").split())
        lines += [f"    {' '.join(map(str, place['target']))}", f"      {place['html'][:160]}", f"      {why[:300]}"]
    return "\n".join(lines)
