"""Recording as the app sees it: start, stop, find a recording that runs, and what it is doing now."""

from __future__ import annotations

import logging
import threading

from services.errors import RecorderBusyError, RecorderError, SottoError
from services.events import Emit, Failed, RecordingStarted, RecordingStopped
from services.recording import client
from services.recording.client import Launch, RecorderClient
from services.recording.messages import EXTEND_SECONDS, Order, RecordingRequest, RecordingStatus

_log = logging.getLogger(__name__)

_JOIN_SECONDS = 2.0


class RecordingService:
    """Follows one recorder at a time, on a thread of its own while there is one. No method waits for the recorder.

    Args:
        emit: Receives `RecordingStarted`, `RecordingStopped` and `Failed`.

    Attributes:
        latest: What the recorder said last; stays after the end, until the next recording.
    """

    def __init__(self, emit: Emit) -> None:
        self.latest: RecordingStatus | None = None
        self._emit = emit
        self._lock = threading.Lock()
        self._ordering_chunks = threading.Lock()
        self._thread: threading.Thread | None = None
        self._launch: Launch | None = None
        self._client: RecorderClient | None = None
        self._stop_wanted = False
        self._chunk_seconds: float | None = None
        self._closed = False
        self._looking = False
        self._looked_at: tuple[int, int] | None = None
        self._waiting: RecordingRequest | None = None

    @property
    def active(self) -> bool:
        """Whether a recording is starting, running or ending."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, request: RecordingRequest) -> None:
        """Begin to record; `RecordingStarted` or `Failed` follows.

        While `attach_if_running` looks, this waits for what it finds: a recording that runs is taken up instead.
        """
        self._begin(request)

    def attach_if_running(self) -> None:
        """Take up a recording that runs already; `RecordingStarted` follows if there is one."""
        self._begin(None)

    def look_again(self) -> None:
        """Take up a recording that somebody began elsewhere meanwhile. Costs a look at the disk while there is none."""
        found = client.trace()
        if found is not None and found != self._looked_at and not self.active:
            self._looked_at = found
            self._begin(None)

    def _begin(self, request: RecordingRequest | None) -> None:
        with self._lock:
            if not self.active and not self._closed:
                self._stop_wanted, self._chunk_seconds = False, None
                self._looking = request is None
                self._thread = threading.Thread(target=self._run, args=(request,), name="recording", daemon=True)
                self._thread.start()
                return
            if request is not None and self._looking:
                # Nobody knows yet whether one runs. Whoever looks for it starts this one if there is none.
                self._waiting, self._stop_wanted = request, False
                return
        if request is not None:
            self._emit(Failed(RecorderBusyError("A recording is running already.", "r ends it.")))

    def stop(self) -> None:
        """End the recording; `RecordingStopped` follows. One that has not begun is given up: `Failed` follows."""
        with self._lock:
            self._stop_wanted = True
            launch, running = self._launch, self._client
        if launch is not None:
            launch.cancel()
        elif running is not None:
            self._tell(Order("stop"))

    def pause_or_resume(self) -> None:
        """Pause the recording, or let it go on. Nothing happens when there is none."""
        paused = self.latest is not None and self.latest.state == "paused"
        self._tell(Order("resume" if paused else "pause"))

    def extend(self) -> None:
        """Let an automatic stop come later. Nothing happens when there is no recording."""
        self._tell(Order("extend", EXTEND_SECONDS))

    def use_chunks(self, seconds: float) -> None:
        """Write the recording in files of another length, from the next one on. Nothing happens when there is none."""
        with self._lock:
            self._chunk_seconds = seconds
            running = self._client
        if running is not None:
            threading.Thread(target=self._order_chunks, args=(running,), name="chunk", daemon=True).start()

    def _order_chunks(self, running: RecorderClient) -> None:
        """Order the last length that was wanted; a thread that comes later finds nothing left to order."""
        with self._ordering_chunks:
            with self._lock:
                seconds, self._chunk_seconds = self._chunk_seconds, None
            if seconds is not None:
                self._order(running, Order("chunk", seconds))

    def _tell(self, order: Order) -> None:
        with self._lock:
            running = self._client
        if running is not None:
            threading.Thread(target=self._order, args=(running, order), name=order.command, daemon=True).start()

    def _order(self, running: RecorderClient, order: Order) -> None:
        try:
            running.order(order)
        except RecorderError as error:
            with self._lock:
                followed = self._client is running
            if followed:  # else it has just ended by itself, and the thread that followed it tells so
                self._emit(Failed(error))

    def close(self) -> None:
        """Let go of the recorder. It goes on recording, and `attach_if_running` finds it."""
        with self._lock:
            self._closed = True
            running, thread = self._client, self._thread
        if running is not None:
            running.close()
        if thread is not None:
            thread.join(_JOIN_SECONDS)

    def _run(self, request: RecordingRequest | None) -> None:
        try:
            running = client.attach() if request is None else None
            if running is None:
                request = request or self._found_none()
                running = self._start(request) if request is not None else None
        except SottoError as error:
            with self._lock:
                self._looking, self._waiting = False, None
            self._emit(Failed(error))
            return
        if running is None:
            return
        with self._lock:
            self._looking, self._waiting = False, None
            self._launch, self._client = None, running
            stop, closed = self._stop_wanted, self._closed
            chunk_seconds, self._chunk_seconds = self._chunk_seconds, None
        if chunk_seconds is not None:  # somebody wanted that while it was being started
            self._tell(Order("chunk", chunk_seconds))
        if closed:
            running.close()
        elif stop:
            self._order(running, Order("stop"))
        last, ended_by = self._follow(running, attached=request is None)
        with self._lock:
            self._client = None
            closed = self._closed
        if closed:
            return
        if last is not None and last.meeting is not None:
            self._emit(RecordingStopped(last.meeting, last.seconds, ended_by, last.detail if last.over else ""))
        elif ended_by is not None:
            self._emit(Failed(ended_by))

    def _found_none(self) -> RecordingRequest | None:
        """No recorder runs; returns what somebody wanted to record in the meantime."""
        with self._lock:
            self._looking = False
            request, self._waiting = self._waiting, None
            if request is None:
                self._thread = None  # it has nothing left to do: the next start needs not wait until it has ended
        return request

    def _start(self, request: RecordingRequest) -> RecorderClient:
        launch = client.launch(request)
        with self._lock:
            self._launch = launch
            stop = self._stop_wanted
        if stop:
            launch.cancel()
        try:
            return launch.wait(self._waits)
        finally:
            with self._lock:
                self._launch = None

    def _waits(self, detail: str) -> None:
        self.latest = RecordingStatus("starting", detail=detail)

    def _follow(self, running: RecorderClient, attached: bool) -> tuple[RecordingStatus | None, SottoError | None]:
        """Keep the latest status and tell of the beginning; returns the last status and why it ended early."""
        error: SottoError | None = None
        last: RecordingStatus | None = None
        begun = False
        try:
            for last in running.updates():
                self.latest = last
                if not begun and last.meeting is not None:
                    begun = True
                    self._emit(RecordingStarted(last.meeting, last.title, attached))
            error = last.error if last is not None else None
        except SottoError as problem:
            error = problem
        return last, error
