# SPDX-License-Identifier: BSD-2-Clause
"""CPU profiles for profile-guided builds (PGO): they say that calls within Go's allocator are the hottest, so that the
compiler inlines them."""
import gzip
import re

from wire import nested, number

# For each probed function: its caller, and the caller's file in package runtime.
CALLS = {"runtime.(*mcache).releaseAll": [("mcache.go", "(*mcache).prepareForSweep"), ("mcache.go", "flushmcache"),
                                          ("mstats.go", "flushmcache")],
         "runtime.(*mcache).allocLarge": [("malloc.go", "mallocgcLarge"), ("malloc.go", "mallocgc")],
         "runtime.(*mcache).refill": [("malloc.go", "(*mcache).nextFree")],
         "runtime.(*mcentral).cacheSpan": [("mcache.go", "(*mcache).refill")],
         "runtime.(*mcentral).grow": [("mcentral.go", "(*mcentral).cacheSpan")],
         "runtime.(*mheap).grow": [("mheap.go", "(*mheap).allocSpan")],
         "runtime.allgadd": [("proc.go", "newproc1"), ("proc.go", "oneNewExtraM")],
         "runtime.forEachG": [("mgc.go", "gcResetMarkState"), ("proc.go", "checkdead"), ("proc.go", "schedtrace"),
                              ("heapdump.go", "dumpgs")]}


class Profile:
    def __init__(self):
        self.strings, self.body, self.ids = [""], bytearray(), 0

    def string(self, text):
        if text not in self.strings:
            self.strings.append(text)
        return self.strings.index(text)

    def location(self, function, start, line):
        """A frame of `function` at `line`; the function starts at line `start`."""
        self.ids += 1
        self.body += nested(5, number(1, self.ids) + number(2, self.string(function)) + number(3, self.string(function)) +
                            number(4, self.string("runtime.go")) + number(5, start))
        self.body += nested(4, number(1, self.ids) + number(3, 0x1000 + self.ids) +
                            nested(4, number(1, self.ids) + number(2, line)))
        return self.ids

    def write(self, path, samples):
        for kind, unit in (("samples", "count"), ("cpu", "nanoseconds")):
            self.body += nested(1, number(1, self.string(kind)) + number(2, self.string(unit)))
        for locations in samples:
            self.body += nested(2, b"".join(number(1, location) for location in locations) +
                                number(2, 1000) + number(2, 10 ** 10))
        tail = number(9, 10 ** 9) + number(10, 10 ** 10)
        tail += nested(11, number(1, self.string("cpu")) + number(2, self.string("nanoseconds"))) + number(12, 10 ** 7)
        data = bytes(self.body) + b"".join(nested(6, text.encode()) for text in self.strings) + tail
        path.write_bytes(gzip.compress(data))


def line_of_call(source, caller, callee):
    """Line at which the function starts, and line of its call; None if there is no such call."""
    receiver, _, name = caller.rpartition(".")
    receiver = rf"\(\w+ {re.escape(receiver.strip('()'))}\) " if receiver else ""
    begin = re.search(rf"^func {receiver}{name}\(", source, re.M)
    if not begin:
        return None
    body = source[begin.start():source.index("\n}\n", begin.start())]
    call = re.search(rf"\b{callee}\(", body)
    if not call:
        return None
    start = source[:begin.start()].count("\n") + 1
    return start, start + body[:call.start()].count("\n")


def write(goroot, path, functions):
    """Writes a CPU profile that contains only the calls of these functions."""
    profile, samples = Profile(), []
    for callee in functions:
        for file, caller in CALLS[callee]:
            source = (goroot / "src" / "runtime" / file).read_text()
            found = line_of_call(source, caller, callee.rpartition(".")[2])
            if found:
                samples.append([profile.location(callee, 1, 1), profile.location(f"runtime.{caller}", *found)])
    profile.write(path, samples)
