# expect: failed
blocks = []
try:
    while True:
        blocks.append(b"x" * (16 << 20))
except MemoryError:
    pass
del blocks
assert False, "goes on after MemoryError"
