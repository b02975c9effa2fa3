"""Tables, figures and page of a comparison, from its settings and summaries alone."""

from collections.abc import Sequence
from pathlib import Path

from spro.errors import RunFolderError
from spro.folders import write_whole
from spro.lab.compare.figures import FIGURES, make_charts
from spro.lab.compare.folder import CompareFolder
from spro.lab.compare.forest import NAME, make_forest
from spro.lab.compare.records import read_comparison
from spro.lab.compare.results import TABLES, Results, find_results, make_tables
from spro.lab.compare.table import Table, csv_of, markdown_of
from spro.lab.compare.words import LIMITS, READING, headline, remarks
from spro.report import Chart, ComparisonPage, Forest, render_comparison, write_figures, write_forest

PAGE = "comparison.html"


def rebuild_comparison(folder: Path) -> Path:
    """Write ``tables/``, ``figures/`` and ``comparison.html`` anew; the same summaries give the same bytes.

    Needs ``compare.yaml`` and ``summaries/`` of the folder, neither its runs nor torch. A table or figure of an earlier
    time for which there is nothing any longer is removed; files of other names stay.

    Returns:
        The path of the page.

    Raises:
        ConfigError: its ``compare.yaml`` is damaged.
        RunFolderError: it is no comparison, a summary is damaged, or the folder cannot be written to.
    """
    comparison = read_comparison(folder)
    results = find_results(comparison)
    tables, charts, forest = make_tables(results), make_charts(comparison), make_forest(results)
    try:
        written = write_figures(folder / "figures", charts) if charts else []
        written += write_forest(folder / "figures", forest) if forest is not None else []
        written += _write_tables(folder / "tables", tables)
        _remove_others(folder, written)
        path = folder / PAGE
        settings = CompareFolder(folder).settings.read_text("utf-8")
        write_whole(path, render_comparison(_page(results, forest, tables, charts, settings)))
    except OSError as error:
        raise RunFolderError(
            f"{folder} cannot be written ({error.strerror}): check permissions and free space"
        ) from error
    return path


def _page(
    results: Results, forest: Forest | None, tables: Sequence[Table], charts: Sequence[Chart], settings: str
) -> ComparisonPage:
    config = results.comparison.config
    return ComparisonPage(
        title=f"{', '.join(config.labels)}: {len(config.seeds)} seed{'s' if len(config.seeds) > 1 else ''} each",
        headline=headline(results),
        remarks=remarks(results),
        forest=forest,
        tables=tuple(table.text for table in tables),
        # That is Figure 1 again, for a reader who lays the two of Figure 4 side by side.
        charts=tuple(chart for chart in charts if chart.name != "figure4b"),
        reading=(READING, LIMITS),
        settings=settings,
    )


def _write_tables(folder: Path, tables: Sequence[Table]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    written = []
    for table in tables:
        for suffix, text in ((".csv", csv_of(table)), (".md", markdown_of(table))):
            path = folder / f"{table.name}{suffix}"
            write_whole(path, text)
            written.append(path)
    return written


def _remove_others(folder: Path, written: Sequence[Path]) -> None:
    tables = [folder / "tables" / f"{name}{suffix}" for name in TABLES for suffix in (".csv", ".md")]
    names = (NAME, *(one.name for one in FIGURES))
    figures = [folder / "figures" / f"{name}{suffix}" for name in names for suffix in (".csv", ".png")]
    for path in {*tables, *figures} - set(written):
        path.unlink(missing_ok=True)
