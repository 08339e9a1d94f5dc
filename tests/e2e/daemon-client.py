"""A client written from uapi/wire/README.md alone, with nothing but the standard library."""

import socket
import struct
import sys


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    return b"\xde" + struct.pack(">H", len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        piece = self.data[self.at : self.at + count]
        assert len(piece) == count
        self.at += count
        return piece

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def items(self, count):
        return [self.value() for _ in range(count)]

    def pairs(self, count):
        flat = self.items(2 * count)
        return dict(zip(flat[::2], flat[1::2]))

    def value(self):
        t = self.number("B")
        if t < 0x80:
            return t
        if t < 0x90:
            return self.pairs(t & 15)
        if t < 0xA0:
            return self.items(t & 15)
        if t < 0xC0:
            return self.take(t & 31).decode()
        if t >= 0xE0:
            return t - 256
        if t in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[t]
        if t in (0xC4, 0xC5, 0xC6):
            return self.take(self.number({0xC4: "B", 0xC5: "H", 0xC6: "I"}[t]))
        if t in (0xCA, 0xCB):
            number = self.number({0xCA: "f", 0xCB: "d"}[t])
            return int(number) if number == int(number) else number
        if 0xCC <= t <= 0xD3:
            return self.number("BHIQbhiq"[t - 0xCC])
        if t in (0xD9, 0xDA, 0xDB):
            return self.take(self.number({0xD9: "B", 0xDA: "H", 0xDB: "I"}[t])).decode()
        if t in (0xDC, 0xDD):
            return self.items(self.number({0xDC: "H", 0xDD: "I"}[t]))
        assert t in (0xDE, 0xDF), hex(t)
        return self.pairs(self.number({0xDE: "H", 0xDF: "I"}[t]))


class Client:
    def __init__(self, path, options):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.last_id = 0
        self.send([0, 1, options])
        self.welcome = self.receive()
        assert self.welcome[:2] == [0, 1], self.welcome

    def send(self, message):
        payload = pack(message)
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def receive(self):
        (length,) = struct.unpack(">I", self.stream.read(4))
        return Reader(self.stream.read(length)).value()

    def request(self, kind, *rest):
        self.last_id += 1
        self.send([kind, self.last_id, *rest])
        reply = self.receive()
        assert reply[1] == self.last_id, reply
        return reply

    def call(self, tid, name, *args):
        reply = self.request(1, tid, name, list(args))
        assert reply[0] == 1, reply
        return reply[2:]


def main(path):
    client = Client(path, {"dialect": "M5", "client": "python"})
    pid = client.request(2)[2]
    addr = client.call(pid, "mmap", 0, 8192, 3, 0x22, -1, 0)[0]
    mirror = client.call(pid, "mmap", 0, 8192, 3, 0x22, -1, 0)[0]
    assert client.call(pid, "store", addr, b"\x5a" * 8192) == [8192]
    fd = client.call(pid, "open", "/dev/hmm_dmirror0", 2, 0)[0]
    numbers = client.request(3, "describe", {})[2]["commands"]
    record = struct.pack("<5Q", addr, mirror, 2, 0, 0)
    ret, after = client.call(pid, "ioctlBytes", fd, numbers["MIGRATE_TO_DEV"], record)
    assert ret == 0 and struct.unpack("<5Q", after)[3] == 2, (ret, after)
    assert client.call(pid, "load", mirror, 8192)[1] == b"\x5a" * 8192
    client.call(pid, "store", mirror, struct.pack("<5Q", addr, mirror + 4096, 2, 0, 0))
    assert client.call(pid, "ioctl", fd, numbers["SNAPSHOT"], mirror) == [0]
    print("snapshot", client.call(pid, "load", mirror + 4096, 2)[1].hex())
    print("segv", client.call(pid, "load", 4096, 1)[2])
    print("error", client.request(1, 999, "fork", [])[2])
    print("check", client.request(3, "check")[2]["ok"])


main(sys.argv[1])
