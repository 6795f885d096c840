"""What the kernel's page cache holds of a file: nothing, or all of it, in small or in large pieces."""

import ctypes
import mmap
import os

PAGE = 4096


class CachedFile:
    """A file whose place in the page cache is arranged. ext4 keeps what readahead or a large write has brought in large
    folios, in which overwriting 4 KiB costs many times more than in folios of 4 KiB; sequential transfers like the
    large ones. So each kind of row gets what suits it."""

    def __init__(self, path, size):
        self.path = path
        self.size = size
        self.state = None  # "cold", "random" or "sequential": what has been arranged and still is

    def drop(self):
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())  # what is dirty stays
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.state = "cold"

    def warm(self, order):
        """All of it, in folios as they suit this order of access."""
        if self.state == order:
            return
        self.drop()
        piece = PAGE if order == "random" else 1 << 20
        buffer = bytearray(piece)
        with open(self.path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0,
                             os.POSIX_FADV_RANDOM if order == "random" else os.POSIX_FADV_SEQUENTIAL)
            while file.readinto(buffer):
                pass
        self.state = order

    def resident_share(self):
        """Of its pages, how many are in the page cache: 0 to 1."""
        library = ctypes.CDLL(None, use_errno=True)
        library.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        flags = (ctypes.c_ubyte * (self.size // PAGE))()
        with open(self.path, "r+b") as file, mmap.mmap(file.fileno(), self.size) as mapping:
            place = ctypes.c_ubyte.from_buffer(mapping)
            answered = library.mincore(ctypes.addressof(place), self.size, flags)
            del place
        if answered != 0:
            raise OSError(ctypes.get_errno(), "mincore")
        return sum(flag & 1 for flag in flags) / len(flags)
