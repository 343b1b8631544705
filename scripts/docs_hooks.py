"""What mkdocs builds beside the files in ``docs/``; mkdocs.yml names this file.

The command line (``docs_command_line.py``), and pages and notebooks that are kept elsewhere (``docs_pages.py``).
"""

from collections.abc import Mapping
from typing import Any

from docs_command_line import INDEX, command_line_pages
from docs_pages import ELSEWHERE, ROOT, moved_page, notebook_page, notebook_title, notebooks
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the command line and the notebooks into the navigation, so that a new one needs no line there."""
    pages = [{path.rsplit("/", 1)[-1].removesuffix(".md"): path} for path in command_line_pages() if path != INDEX]
    config.nav = _after(config.nav, "Python reference", {"Command line reference": [INDEX, *pages]})
    if entries := [{notebook_title(path): f"notebooks/{path.name}"} for path in notebooks()]:
        config.nav = _after(config.nav, "How to", {"Notebooks": entries})
    return config


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files of ``docs/``."""
    made = command_line_pages() | {path: moved_page(home) for path, home in ELSEWHERE.items()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for path in notebooks():
        # Not File.generated: mkdocs-jupyter asks where it lies.
        files.append(File(f"notebooks/{path.name}", str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Mend the links of notebooks."""
    return notebook_page(output) if page.file.src_uri.startswith("notebooks/") else output


def _after(nav: Any, section: str, entry: Mapping[str, Any]) -> list[Any]:
    """The navigation with an entry behind a section."""
    place = [next(iter(part)) for part in nav].index(section) + 1
    return [*nav[:place], dict(entry), *nav[place:]]
