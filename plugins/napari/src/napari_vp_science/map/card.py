"""What hovering over a point shows: its picture, where and when it is, and what it is called."""

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication, QImage, QPixmap
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

PICTURE_HEIGHT = 120
_AWAY = 18


class PointCard(QFrame):
    """A small window beside the mouse that takes no clicks and no keys."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.ToolTip | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setMinimumHeight(PICTURE_HEIGHT)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        layout.addWidget(self.picture)
        layout.addWidget(self.text)

    def show_point(self, text: str, image: QImage | None, beside: QPoint) -> None:
        """Show a point; the picture may follow later."""
        self.text.setText(text)
        self.picture.clear()
        if image is None:
            self.picture.setText("…")
        else:
            self.set_picture(image)
        self.adjustSize()
        self._place(beside)
        self.show()

    def set_picture(self, image: QImage) -> None:
        """The picture of the point that is shown."""
        self.picture.setPixmap(QPixmap.fromImage(image))
        self.adjustSize()

    def _place(self, beside: QPoint) -> None:
        """Right of the mouse and below; on the other side where the screen ends."""
        screen = QGuiApplication.screenAt(beside) or QGuiApplication.primaryScreen()
        room, size = screen.availableGeometry(), self.sizeHint()
        x, y = beside.x() + _AWAY, beside.y() + _AWAY
        if x + size.width() > room.right():
            x = beside.x() - _AWAY - size.width()
        if y + size.height() > room.bottom():
            y = beside.y() - _AWAY - size.height()
        self.move(max(x, room.left()), max(y, room.top()))


def time_text(seconds: float) -> str:
    """A time in a recording, such as ``0:12.3`` or ``1:02:03.4``."""
    tenths = round(max(seconds, 0.0) * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, tenths = divmod(rest, 600)
    clock = f"{minutes:02d}" if hours else f"{minutes}"
    return (f"{hours}:" if hours else "") + f"{clock}:{tenths // 10:02d}.{tenths % 10}"
