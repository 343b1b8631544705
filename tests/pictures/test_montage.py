"""Contact sheets and montage videos: every moment where it belongs, in files that programs can read."""

import av
import numpy as np
import pytest
from picture_tools import STEP, counting_frames, numbers, study, track_of, write_lossless
from PIL import Image

from vp_science.errors import FigureError, RecordingError, SettingsError
from vp_science.montage import contact_sheet, time_span, write_montage
from vp_science.montage import video as montage_video
from vp_science.pictures import PictureBook
from vp_science.video.open import open_recording

MOMENTS = [("a", 0.0, 1.0), ("b", 2.0, 2.1), ("a", 3.0, 4.0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def tracks(folder):
    return study(folder, height=48, width=64)


@pytest.fixture
def book(folder, tracks):
    with PictureBook(folder, tracks) as opened:
        yield opened


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        facts = stream.codec_context.name, stream.codec_context.pix_fmt, float(stream.average_rate)
        return facts, [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ((0, 1.24), "0.0\u20131.2 s"),
        ((59, 61), "0:59.0\u20131:01.0"),
        ((3599.97, 3601), "1:00:00.0\u20131:00:01.0"),
        ((119.96, 120.04), "2:00.0\u20132:00.0"),
        ((-70.5, 1), "-1:10.5\u20130:01.0"),
    ],
)
def test_times_as_people_write_them(span, text):
    assert time_span(*span) == text


class TestContactSheet:
    def test_strips_stand_in_order(self, book, tmp_path):
        path = contact_sheet(book, MOMENTS, tmp_path / "sheet.png", num_frames=3, height=48, title="x" * 400)
        pixels = np.asarray(Image.open(path))
        for index, (name, start, stop) in enumerate(MOMENTS):
            around = (start, stop) if stop - start > 0.4 else (1.85, 2.25)
            strip = book.strip(name, *around, num_frames=3, height=48)
            assert position(pixels, strip) == index
        assert sorted(tmp_path.iterdir()) == [path]

    def test_many_moments_stand_in_two_columns_and_captions_are_drawn(self, book, tmp_path):
        moments = [("c", 0.1 * i, 0.1 * i + 1) for i in range(8)]
        blank = contact_sheet(book, moments, tmp_path / "a.png", captions=[""] * 8, height=48, num_frames=2)
        named = contact_sheet(book, moments, tmp_path / "b.png", height=48, num_frames=2)
        one, two = (np.asarray(Image.open(path)).astype(int) for path in (blank, named))
        assert one.shape == two.shape == (18 + 4 * (48 + 20 + 16) - 16 + 18, 2 * 18 + 2 * 130 + 32, 3)
        rows = np.flatnonzero((one != two).any(axis=(1, 2)))
        assert len(rows) > 20
        assert np.isin((rows - 18) % 84, range(20)).all(), "captions stand above the strips, never on them"

    def test_jpeg(self, book, tmp_path):
        with Image.open(contact_sheet(book, MOMENTS, tmp_path / "s.jpg", height=48)) as picture:
            assert picture.format == "JPEG"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"path": "s.gif"}, r"expected a contact sheet to end in \.png or \.jpg, found 's\.gif'"),
            ({"moments": []}, "expected 1 to 400 moments, found 0"),
            ({"captions": ["a"]}, "expected a caption for each of 3 moments, found 1"),
            ({"height": 4000, "num_frames": 64}, "expected a contact sheet of at most 60 million pixels"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, book, tmp_path, change, message):
        options = {"moments": MOMENTS, "path": "s.png"} | change
        options["path"] = tmp_path / options["path"]
        with pytest.raises(SettingsError, match=message):
            contact_sheet(book, options.pop("moments"), options.pop("path"), **options)
        assert not list(tmp_path.iterdir())

    def test_what_cannot_be_read_leaves_the_old_sheet(self, book, tmp_path):
        (tmp_path / "s.png").write_bytes(b"old")
        with pytest.raises(RecordingError, match="expected times from"):
            contact_sheet(book, [("a", 100.0, 101.0)], tmp_path / "s.png")
        assert (tmp_path / "s.png").read_bytes() == b"old"


def position(sheet, strip):
    """The row of strips in which exactly this strip stands; the caption row above it is 20 pixels high."""
    step, high = 48 + 20 + 16, strip.shape[0]
    found = []
    for top in range(sheet.shape[0] - high + 1):
        if (sheet[top : top + high, 18 : 18 + strip.shape[1]] == strip).all():
            found.append(top)
    [top] = found
    return round((top - 76) / step)


class TestMontage:
    def test_every_tile_plays_its_moment_over_and_over(self, book, tmp_path):
        result = write_montage(
            book, MOMENTS, tmp_path / "m.mp4", length_s=1, fps=10, height=64, columns=2, loops=3, title="Cluster 1"
        )
        (codec, layout, rate), frames = decoded(result.path)
        assert (codec, layout, rate) == ("h264", "yuv420p", 10.0)
        assert result.encoder == "libx264"
        assert (result.num_tiles, result.loops, result.loop_s) == (3, 3, 1.0)
        assert len(frames) == 30
        high, wide = frames[0].shape[:2]
        assert high % 2 == wide % 2 == 0
        # Tiles are 85 x 64 (natural proportions); the middle of tile i, and the frames that its moment shows.
        middles = [(30 + 3 + 32, 6 + 42), (30 + 3 + 32, 6 + 91 + 42), (30 + 88 + 32, 6 + 42)]
        firsts = [0, 15, 30]  # the short moment is shown with what is around it
        for (row, column), first in zip(middles, firsts, strict=True):
            shown = [frame[row - 5 : row + 5, column - 5 : column + 5].mean() / STEP for frame in frames]
            np.testing.assert_allclose(shown, [first + step % 10 for step in range(30)], atol=1.0)
        assert sorted(tmp_path.iterdir()) == [result.path]

    def test_a_line_says_when_the_moment_lasts(self, book, tmp_path):
        result = write_montage(book, [("b", 2.0, 2.3)], tmp_path / "m.mp4", length_s=1, fps=20, height=64, loops=1)
        _, frames = decoded(result.path)
        lit = [frame[6:8, 20:60].astype(int) for frame in frames]
        orange = [bool(line[..., 0].mean() - line[..., 2].mean() > 60) for line in lit]
        assert orange == [False] * 7 + [True] * 6 + [False] * 7

    def test_slow_motion(self, book, tmp_path):
        result = write_montage(
            book, MOMENTS[:1], tmp_path / "m.mp4", length_s=1, fps=10, speed=0.25, height=64, loops=1
        )
        _, frames = decoded(result.path)
        assert len(frames) == 40
        assert numbers(frames[30]) == pytest.approx(7, abs=1)

    def test_ends_of_recordings_and_short_ones(self, tmp_path):
        """A span is moved into the recording; the last frame stays where that is too short."""
        path = write_lossless(tmp_path / "s.mkv", counting_frames(8, 48, 64))
        with open_recording(path) as recording:
            track = track_of(recording)
        with PictureBook(path, [track]) as book:
            end = write_montage(book, [("s", 0.7, 0.8)], tmp_path / "a.mp4", length_s=0.5, fps=10, height=64, loops=1)
            short = write_montage(book, [("s", 0.0, 0.8)], tmp_path / "b.mp4", length_s=2, fps=10, height=64, loops=1)
        shown = [[numbers(frame) for frame in decoded(result.path)[1]] for result in (end, short)]
        np.testing.assert_allclose(shown[0], [3, 4, 5, 6, 7], atol=1)
        np.testing.assert_allclose(shown[1], [*range(8), *[7] * 12], atol=1)

    def test_wide_pictures_keep_their_proportions(self, tmp_path):
        frames = counting_frames(10, 24, 96) + 120
        path = write_lossless(tmp_path / "w.mkv", frames)
        with open_recording(path) as recording:
            track = track_of(recording)
        with PictureBook(path, [track]) as book:
            result = write_montage(book, [("w", 0, 1)], tmp_path / "m.mp4", fps=10, height=60, loops=1)
        _, [first, *_] = decoded(result.path)
        bright = first[..., 0] > 100
        tile = bright[9:69, 6:126]
        assert tile[17:43].all()
        assert not tile[:13].any()
        assert not tile[47:].any()

    def test_other_encoders_step_in(self, book, tmp_path, monkeypatch):
        monkeypatch.setattr(montage_video, "_ENCODERS", (("no_such_encoder", {}), ("mpeg4", {"q:v": "3"})))
        result = write_montage(book, MOMENTS, tmp_path / "m.mp4", fps=10, height=64, loops=1)
        assert result.encoder == "mpeg4"
        assert decoded(result.path)[0][0] == "mpeg4"
        monkeypatch.setattr(montage_video, "_ENCODERS", (("no_such_encoder", {}),))
        with pytest.raises(SettingsError, match="expected one of the video encoders no_such_encoder in this build"):
            write_montage(book, MOMENTS, tmp_path / "n.mp4")

    def test_equal_montages_give_equal_bytes(self, book, tmp_path):
        made = [write_montage(book, MOMENTS, tmp_path / f"{n}.mp4", fps=10, height=64, loops=1) for n in "ab"]
        assert made[0].path.read_bytes() == made[1].path.read_bytes()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"path": "m.avi"}, r"expected a montage to end in \.mp4, found 'm\.avi'"),
            ({"moments": []}, "expected 1 to 400 moments, found 0"),
            ({"length_s": 0}, "expected a length of up to 600 seconds, found length_s=0"),
            ({"fps": 0}, "expected fps up to 240, .*found fps=0"),
            ({"speed": -1}, "speed=-1"),
            (
                {"moments": [("a", 100.0, 101.0)]},
                "a: expected a moment between 0.000 and 4.000 s, found 100.0 to 101.0",
            ),
            ({"length_s": 600, "height": 2000}, "GiB: take fewer or shorter moments, or smaller tiles"),
            ({"height": 2000, "columns": 3}, "expected a montage of at most 8192 pixels"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, book, tmp_path, change, message):
        options = {"moments": MOMENTS, "path": "m.mp4"} | change
        options["path"] = tmp_path / options["path"]
        with pytest.raises((SettingsError, RecordingError), match=message):
            write_montage(book, options.pop("moments"), options.pop("path"), **options)
        assert not list(tmp_path.iterdir())

    def test_a_folder_that_cannot_be_made(self, book, tmp_path):
        (tmp_path / "file").touch()
        for write, name in ((contact_sheet, "s.png"), (write_montage, "m.mp4")):
            with pytest.raises(FigureError, match=r"cannot write .*: choose a folder with room"):
                write(book, MOMENTS, tmp_path / "file" / name)
        assert contact_sheet(book, MOMENTS, tmp_path / "new" / "folder" / "s.png").is_file()
