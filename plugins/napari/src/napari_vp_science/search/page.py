"""Find more like this: from what is on screen, a bout, chosen moments or words to ranked hits, and on to labels."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QTabBar, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.behavior_menu import behavior_button
from napari_vp_science.jobs import JobRunner
from napari_vp_science.search.hit_grid import HitGrid
from napari_vp_science.search.hit_model import HitModel
from napari_vp_science.search.query_box import QueryBox
from napari_vp_science.state import Moment, PanelState
from napari_vp_science.style import GAP, button, hint, page, theme_colors
from napari_vp_science.thumbnails import ThumbnailService

_FIRST, _MOST, _ASK = 60, 960, 9
_HITS, _ASK_TAB, _YES, _NO = range(4)
_MOST_SENTENCES = 2
_KEYS = "Y yes \N{MIDDLE DOT} N no \N{MIDDLE DOT} Enter goes there \N{MIDDLE DOT} click a picture to begin"
_EMPTY = (
    "Hits come here, best first. They are suggestions: nothing is labelled before you say so.",
    "What the search is unsure of comes here after a search.",
    "What you say yes to comes here.",
    "What you say no to comes here.",
)


class FindPage(QWidget):
    """Search, answers and labels. Hits stay until the next search, whatever happens on other pages."""

    title = "Find"

    def __init__(self, state: PanelState, thumbnails: ThumbnailService, runner: JobRunner | None = None) -> None:
        super().__init__()
        self._state = state
        self.runner = JobRunner(self) if runner is None else runner
        self.search = vp.sessions.SearchRound()
        self._session = state.session
        self._limit = _FIRST
        self._under_way: str = ""
        self._next: tuple[str, dict[str, Any]] | None = None
        self._known = False
        self.model = HitModel(state, self)
        self._build(thumbnails)
        self._connect()
        self._show_search()

    # ---- building

    def _build(self, thumbnails: ThumbnailService) -> None:
        area, inside = page()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.query = QueryBox(self._state)
        self.trouble = hint()
        self.trouble.setTextFormat(Qt.TextFormat.PlainText)
        self.tabs = QTabBar()
        self.tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        for text, tip in (
            ("Hits", "Best first."),
            ("Ask", "Answer these next: the search is unsure of them, so they teach it most."),
            ("Yes", "What you said yes to."),
            ("No", "What you said no to."),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(text), tip)
        self.grid = HitGrid(self.model, thumbnails, theme_colors(self._state.viewer))
        self.grid.setMinimumHeight(230)
        self.facts = hint()
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self._make_buttons()
        inside.addWidget(self.query)
        inside.addWidget(self.trouble)
        above = QHBoxLayout()
        above.setSpacing(GAP)
        above.addWidget(self.tabs)
        above.addStretch(1)
        above.addWidget(self.more)
        inside.addLayout(above)
        inside.addWidget(self.grid, 1)
        inside.addWidget(self.facts)
        inside.addLayout(_row(self.label, self.choose))
        inside.addWidget(self.absent)

    def _make_buttons(self) -> None:
        self.more = button("More", "List more hits.")
        self.label = behavior_button(
            self._state, "Label yes as", "Make labels of the hits you said yes to, as one step of undo.", self.label_yes
        )
        self.choose = button(
            "Choose", "They play on the Montage page and can be answered there; or find more like them."
        )
        self.absent = QCheckBox("Score the no as not happening")
        self.absent.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.absent.setToolTip(
            "The time of the hits you said no to counts as scored for this behavior: it did not happen there. A probe "
            "learns from that."
        )

    def _connect(self) -> None:
        state = self._state
        self._heard = (
            (state.session_changed, self._session_changed),
            (state.recording_changed, self.query.refresh),
            (state.bout_changed, self.query.refresh),
            (state.moments_changed, self.query.refresh),
            (state.tracks_changed, self._tracks_changed),
            (state.labels_changed, self._labels_changed),
            (state.viewer.events.theme, self._theme_changed),
        )
        for signal, listener in self._heard:
            signal.connect(listener)
        self.query.asked.connect(self.find)
        self.query.cancelled.connect(self.cancel)
        self.query.again.clicked.connect(self.search_again)
        self.more.clicked.connect(self.find_more)
        self.choose.clicked.connect(self.choose_hits)
        self.tabs.currentChanged.connect(self._show_tab)
        self.grid.answered.connect(self._answered)
        self.grid.wanted.connect(self._go)
        self.runner.progress.connect(self._progress)
        self.runner.result.connect(self._result)
        self.runner.cancelled.connect(self._stopped)
        self.runner.failed.connect(self._failed)
        self.runner.idle.connect(self._idle)

    def close_view(self) -> None:
        """Stop searching."""
        for signal, listener in self._heard:
            signal.disconnect(listener)
        self.grid.close_view()
        self._next = None
        self.runner.close()

    # ---- searching

    def find(self) -> None:
        """Begin a new search with what is asked for."""
        if self.query.problem():
            return
        self.search = self.query.search()
        self._limit = _FIRST
        self._show_search()
        self._search()

    def search_again(self) -> None:
        """The same search with the answers so far."""
        self._limit = _FIRST
        self._search()

    def find_more(self) -> None:
        """The same search, with more hits."""
        self._limit = min(2 * self._limit, _MOST)
        self._search()

    def cancel(self) -> None:
        """Stop what is under way."""
        self._next = None
        self.runner.cancel()

    def _search(self) -> None:
        if self._session is None:
            return
        self._start("search", self.search.request(self._session, limit=self._limit, suggest=_ASK))
        self.query.busy("searching")

    def _start(self, what: str, request: dict[str, Any]) -> None:
        """Begin a job; one that is under way gives way to it."""
        self.trouble.hide()
        if self.runner.running:
            self._next = (what, request)
            self.runner.cancel()
            return
        self._under_way = what
        self.runner.start("search", request)

    def _look(self) -> None:
        """Ask the worker what there is to search, and whether by words; it is warm then, too."""
        if self._session is None or not self._session.recordings or self._known or self.runner.running:
            return
        self._known = True
        self._start("about", vp.sessions.session_request(self._session) | {"about": True})

    def _progress(self, event: dict[str, Any]) -> None:
        if self._under_way == "search":
            self.query.busy(str(event["stage"]), event["done"], event["total"])

    def _result(self, result: dict[str, Any]) -> None:
        if self._next is not None:
            return  # of a search that was replaced
        self.query.set_texts_possible(bool(result["contrastive"]))
        if self._under_way == "search":
            self.search.take(result)
            self._show_search(keep_tab=False)

    def _stopped(self) -> None:
        if self._under_way == "about":
            self._known = False

    def _failed(self, why: str) -> None:
        self._stopped()
        if self._under_way == "search":
            self._complain(why)

    def _idle(self) -> None:
        following, self._next = self._next, None
        self.query.idle()
        if following is not None:
            self._start(*following)
            self.query.busy("searching")

    # ---- answers, labels, moments

    def answer_moment(self, moment: Moment, right: bool | None) -> None:
        """Say yes or no to a hit by its moment, as the montage does; moments that are no hits are left alone."""
        hit = self.search.find(moment)
        if hit is not None:
            self._answer(hit, right)

    def _answered(self, row: int, right: bool | None) -> None:
        hit = self.model.hit(row)
        if hit is not None:
            self._answer(hit, right)
            if right is not None:
                self.grid.choose(row + 1)

    def _answer(self, hit: "vp.sessions.Hit", right: bool | None) -> None:
        self.search.answer(hit, right)
        self.model.answered()
        self._show_counts()

    def label_yes(self, behavior: str) -> None:
        """Make labels of the hits with yes."""
        state = self._state
        if state.labels is None or not self.search.yes:
            return
        edges = {state.current: vp.sessions.frame_edges(state.time_s)} if len(state.time_s) else {}
        try:
            numbers = vp.sessions.label_hits(
                state.labels,
                self.search,
                behavior,
                subject=state.subject,
                source=f"curated:{state.annotator}",
                absent=self.absent.isChecked(),
                edges=edges,
            )
        except vp.VPScienceError as error:
            self._complain(str(error))
            return
        bouts = f"{len(numbers)} {'bout' if len(numbers) == 1 else 'bouts'}"
        state.message.emit(f"Labelled {bouts} as {behavior}; undo takes all of them back")

    def choose_hits(self) -> None:
        """Add the hits with yes to the chosen moments; without any, the hits are chosen, to be looked at."""
        if self.search.yes:
            yes = [hit.moment for hit in self.search.yes.values()]
            self._state.choose_moments(list(dict.fromkeys([*self._state.moments, *yes])))
        else:
            self._state.choose_moments([hit.moment for hit in self.search.hits if self.search.answer_of(hit) is None])

    def _go(self, row: int) -> None:
        hit = self.model.hit(row)
        if hit is not None:
            self._state.show(hit.recording, hit.start_s)

    # ---- showing

    def _show_search(self, *, keep_tab: bool = True) -> None:
        if not keep_tab and self.tabs.currentIndex() != _ASK_TAB:
            self.tabs.setCurrentIndex(_HITS)
        self._show_tab()
        self._show_counts()
        self.facts.setText(self._facts())

    def _show_tab(self, *_: object) -> None:
        search, tab = self.search, self.tabs.currentIndex()
        groups = {_HITS: search.hits, _ASK_TAB: search.ask, _YES: search.yes.values(), _NO: search.no.values()}
        self.model.show(search, list(groups[tab]))
        self.grid.choose(0)

    def _show_counts(self) -> None:
        search = self.search
        counts = (len(search.hits), len(search.ask), len(search.yes), len(search.no))
        for tab, (name, count) in enumerate(zip(("Hits", "Ask", "Yes", "No"), counts, strict=True)):
            self.tabs.setTabText(tab, f"{name} {count}" if count else name)
        answers = len(search.yes) + len(search.no)
        self.query.again.setText(f"Search again with {answers} {'answer' if answers == 1 else 'answers'}")
        self.query.again.setVisible(search.unheard and answers > 0)
        self.more.setVisible(bool(search.facts.get("more")) and self._limit < _MOST)
        for one in (self.label, self.choose):
            one.setVisible(bool(search.hits) or answers > 0)
        self.absent.setVisible(bool(search.no))
        self.label.setEnabled(bool(search.yes))
        self.choose.setText(f"Choose {len(search.yes)} yes" if search.yes else f"Choose {len(search.hits)} hits")
        self.choose.setEnabled(bool(search.yes or search.hits))
        self.label.setText(f"Label {len(search.yes) or ''} yes as".replace("  ", " "))
        self.grid.empty_text = _EMPTY[self.tabs.currentIndex()]

    def _facts(self) -> str:
        facts = self.search.facts
        if not facts:
            return ""
        recordings = f"{facts['num_recordings']} {'recording' if facts['num_recordings'] == 1 else 'recordings'}"
        searched = vp.sessions.duration_text(facts["hours"] * 3600)
        lines = [f"{_KEYS}\n{recordings}, {searched}, by {self.model.score_name} ({facts['model']})"]
        if facts["untrained"]:
            lines.append("The model is UNTRAINED: what it finds alike means nothing.")
        lines += facts["left_out"][:_MOST_SENTENCES]
        if len(facts["left_out"]) > _MOST_SENTENCES:
            lines.append(f"{len(facts['left_out']) - _MOST_SENTENCES} more tracks could not be used.")
        return "\n".join(lines)

    def _complain(self, why: str) -> None:
        self.trouble.setText(why)
        self.trouble.show()

    # ---- listening

    def showEvent(self, event: QShowEvent) -> None:
        """See what there is to search."""
        super().showEvent(event)
        self.query.refresh()
        self._look()

    def _session_changed(self) -> None:
        if self._state.session is not self._session:
            self._session = self._state.session
            self.cancel()
            self.search = vp.sessions.SearchRound()
            self.query.set_texts_possible(None)
            self._show_search()
        self._tracks_changed()

    def _tracks_changed(self, *_: object) -> None:
        self._known = False
        self.query.refresh()
        if self.isVisible():
            self._look()

    def _labels_changed(self, *_: object) -> None:
        self.model.labels_changed()
        self.query.refresh()

    def _theme_changed(self, *_: object) -> None:
        self.grid.tile.colors = theme_colors(self._state.viewer)
        self.grid.viewport().update()


def _row(*widgets: QWidget) -> QHBoxLayout:
    made = QHBoxLayout()
    made.setSpacing(GAP)
    for one in widgets:
        made.addWidget(one)
    made.addStretch(1)
    return made
