"""A client of `dmirror serve`, in one file. uapi/wire/README.md is the protocol.

    import struct
    from dmirror import Client

    with Client("/path/of/the/socket") as client:
        pid = client.process()
        fd = client.call(pid, "open", "/dev/hmm_dmirror0", 2).ret
        addr = client.call(pid, "mmap", 0, 4096, 3, 0x22, -1, 0).ret
        print(client.call(pid, "store", addr, b"hello"))

It uses `msgpack` (python3-msgpack) where that is installed, and its own few lines of it where not.
"""

import collections
import socket
import struct

Result = collections.namedtuple("Result", "ret data signal status", defaults=(b"", None, None))
"""Of a call: `ret` is a negative Linux errno or what the call answers; `data` its bytes; `signal` is
[signo, code, address] of the access that faulted; `status` is that of wait(2)."""


class DmirrorError(Exception):
    """The server did not serve a request. `code` is one of the protocol's, as `bad-call`."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Client:
    """One connection, which is one session: its processes end with it.

    `options` are those of hello: dialect, strict, client. `on_events` gets each list of events and how many were lost.
    """

    def __init__(self, path, on_events=None, **options):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rb")
        self._on_events = on_events
        self._last_id = 0
        self._answers = {}
        self._send([0, 1, options])
        self.welcome = self._receive()[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stream.close()
        self._socket.close()

    def process(self, *dialect):
        """A new process. Its pid is also the number of its main thread."""
        return self.finish(self._start(2, *dialect)).ret

    def call(self, tid, name, *args):
        """A system call of a thread, whose Result this waits for."""
        return self.finish(self.start(tid, name, *args))

    def start(self, tid, name, *args):
        """Sends a call and does not wait: calls of several threads run at the same time. `finish` takes what this returns."""
        return self._start(1, tid, name, list(args))

    def finish(self, request):
        return Result(*self._answer(request))

    def control(self, name, **options):
        """A control request, as `describe` or `status`; the map that answers it."""
        return self._answer(self._start(3, name, options))[0]

    def _start(self, kind, *rest):
        self._last_id += 1
        self._send([kind, self._last_id, *rest])
        return self._last_id

    def _answer(self, request):
        while request not in self._answers:
            kind, number, *rest = self._receive()
            if kind == 4:
                if self._on_events is not None:
                    self._on_events(number, *rest)
            else:
                self._answers[number] = (kind, rest)
        kind, rest = self._answers.pop(request)
        if kind == 3:
            raise DmirrorError(*rest)
        return rest

    def _send(self, message):
        payload = packb(message)
        self._socket.sendall(struct.pack(">I", len(payload)) + payload)

    def _receive(self):
        (length,) = struct.unpack(">I", self._read(4))
        message = _whole(unpackb(self._read(length)))
        if message[0] == 3 and message[1] is None:
            raise DmirrorError(*message[2:])
        return message

    def _read(self, count):
        data = self._stream.read(count)
        if len(data) < count:
            raise ConnectionError("the server ended the connection")
        return data


def _whole(value):
    """Numbers of 2^32 and more come as floats; whole ones become integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return value


def _pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xdb" + struct.pack(">I", len(data)) + data
    if isinstance(value, (bytes, bytearray)):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(_pack, value))
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(_pack(k) + _pack(v) for k, v in value.items())
    raise TypeError(f"no message can carry {value!r}")


_NUMBERS = dict(zip(range(0xCA, 0xD4), "fdBHIQbhiq"))
_LENGTHS = {0xC4: "B", 0xC5: "H", 0xC6: "I", 0xD9: "B", 0xDA: "H", 0xDB: "I", 0xDC: "H", 0xDD: "I", 0xDE: "H", 0xDF: "I"}


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def value(self):
        tag = self.number("B")
        if tag < 0x80 or tag >= 0xE0:
            return tag if tag < 0x80 else tag - 256
        if tag in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[tag]
        if tag in _NUMBERS:
            return self.number(_NUMBERS[tag])
        if tag in _LENGTHS:
            return self.body(tag, self.number(_LENGTHS[tag]))
        if tag >= 0xC0:
            raise ValueError(f"no message has a {tag:#x}")
        if tag >= 0xA0:
            return self.body(0xD9, tag & 31)
        return self.body(0xDC if tag >= 0x90 else 0xDE, tag & 15)

    def body(self, tag, length):
        if tag <= 0xC6:
            return self.take(length)
        if tag <= 0xDB:
            return self.take(length).decode()
        if tag <= 0xDD:
            return [self.value() for _ in range(length)]
        return {self.value(): self.value() for _ in range(length)}


def _unpack(data):
    return _Reader(data).value()


try:
    from msgpack import packb, unpackb
except ImportError:
    packb, unpackb = _pack, _unpack
