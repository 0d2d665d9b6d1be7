# SPDX-License-Identifier: BSD-2-Clause
"""The database of Squid's ext_session_acl, which that program itself cannot make: it is opened for reading."""
import ctypes
import os
import struct
import sys
import time


class Datum(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char_p), ("n", ctypes.c_size_t)]


def library():
    try:
        tdb = ctypes.CDLL("libtdb.so.1")
    except OSError:
        return None
    tdb.tdb_open.restype = ctypes.c_void_p
    tdb.tdb_open.argtypes = [ctypes.c_char_p] + [ctypes.c_int] * 4
    tdb.tdb_store.argtypes = [ctypes.c_void_p, Datum, Datum, ctypes.c_int]
    tdb.tdb_close.argtypes = [ctypes.c_void_p]
    return tdb


def sessions_can_be_made():
    if not library():
        print("skipped: there is no libtdb", file=sys.stderr)
    return library() is not None


def make_sessions(path, ages):
    """ages: {whose: how many seconds ago it began}. It appears whole at its place."""
    tdb = library()
    base = tdb.tdb_open(f"{path}.new".encode(), 0, 0, os.O_RDWR | os.O_CREAT, 0o644)
    for whose, age in ages.items():
        key, began = whose.encode(), struct.pack("l", int(time.time()) - age)
        assert tdb.tdb_store(base, Datum(key, len(key)), Datum(began, len(began)), 0) == 0, "tdb_store"
    tdb.tdb_close(base)
    os.rename(f"{path}.new", path)
